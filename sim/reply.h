/*
 * reply: what answers of every kind have in common, and the control API's errors.
 */
#ifndef SIM_REPLY_H
#define SIM_REPLY_H

#include "request.h"

/* Begin the answer anew, as JSON with this status. */
void reply_begin(struct request *r, unsigned status);

/* HTTP's name of a status. */
const char *reply_reason(unsigned status);

/* The control API's error: {"error":"..."}. */
void reply_control_error(struct request *r, unsigned status, const char *message);

#endif
