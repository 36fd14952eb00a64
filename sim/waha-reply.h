/*
 * waha-reply: answers in the shapes of WAHA (Nest).
 */
#ifndef SIM_WAHA_REPLY_H
#define SIM_WAHA_REPLY_H

#include "request.h"

struct session;

/* {"message","error","statusCode"} with Nest's name of the status. */
void waha_reply_error(struct request *r, unsigned status, const char *message);

/* 400 whose message is an array; `messages` is its JSON text. */
void waha_reply_invalid(struct request *r, const char *messages);

/* 401 {"message":"Unauthorized","statusCode":401}. */
void waha_reply_unauthorized(struct request *r);

/* 404 "Cannot GET /api/nosuch". */
void waha_reply_no_route(struct request *r);

/* 404 "Session not found". */
void waha_reply_no_session(struct request *r);

/* 404 of calls that need a running session. */
void waha_reply_not_running(struct request *r, const char *name);

/* 422 of calls that waited for a session which does not exist. */
void waha_reply_unknown(struct request *r, const char *name);

/* 422 of calls that waited for another status. */
void waha_reply_wrong_status(
	struct request *r, const struct session *s, const char *expected);

/* 500 as WAHA's exception filter makes it. */
void waha_reply_exception(struct request *r, const char *name, const char *message);

#endif
