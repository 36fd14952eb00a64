/*
 * webhook: what a gateway tells us, verified, stored once, applied in its own order.
 *
 * An event is stored, and its status applied to the instance, in one statement before
 * the 2xx. The key that makes it once is (event, id), else the gateway's request id,
 * else the body's hash. Events are hints: what they bring is checked by the next look
 * at the gateway. Thread-safety: as db.
 */
#ifndef WAPOOL_WEBHOOK_H
#define WAPOOL_WEBHOOK_H

#include "lib/app.h"
#include "lib/request.h"
#include "lib/response.h"

/* Answers POST /webhook (server_id NULL: found by the session's name and the signature)
 * and POST /webhook/{server_id}. */
void webhook_receive(struct app *app, const struct request *rq, const char *server_id,
	struct response *rs);

#endif
