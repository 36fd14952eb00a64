/*
 * reply: answers in the shapes of WAHA (Nest) and of the control API.
 */
#ifndef SIM_REPLY_H
#define SIM_REPLY_H

#include "request.h"

struct session;

/* {"message","error","statusCode"} with Nest's name of the status. */
void reply_error(struct request *r, unsigned status, const char *message);

/* 400 whose message is an array; `messages` is its JSON text. */
void reply_invalid(struct request *r, const char *messages);

/* 401 {"message":"Unauthorized","statusCode":401}. */
void reply_unauthorized(struct request *r);

/* 404 "Cannot GET /api/nosuch". */
void reply_no_route(struct request *r);

/* 404 "Session not found". */
void reply_no_session(struct request *r);

/* 404 of calls that need a running session. */
void reply_not_running(struct request *r, const char *name);

/* 422 of calls that waited for a session which does not exist. */
void reply_unknown(struct request *r, const char *name);

/* 422 of calls that waited for another status. */
void
reply_wrong_status(struct request *r, const struct session *s, const char *expected);

/* 500 as WAHA's exception filter makes it. */
void reply_exception(struct request *r, const char *name, const char *message);

/* The control API's error: {"error":"..."}. */
void reply_control_error(struct request *r, unsigned status, const char *message);

#endif
