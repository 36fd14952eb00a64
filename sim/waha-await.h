/*
 * await: calls that need a session in a certain status wait for it.
 */
#ifndef SIM_WAHA_AWAIT_H
#define SIM_WAHA_AWAIT_H

#include "request.h"
#include "session.h"

/* Wait at most 5 s for the session to run and at most 10 s more for the status. NULL:
   it did not come and the answer (422) is made, or the request is over. */
struct session *waha_await_status(struct request *r, const char *name,
	enum status wanted) __attribute__((warn_unused_result));

#endif
