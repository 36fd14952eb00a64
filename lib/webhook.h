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

#include "lib/responder.h"

/* Answers n requests, 1 to RESPONDER_AT_ONCE: POST /webhook (its server is found by the
 * session's name and the signature) or POST /webhook/{server_id}. Small messages of the platform's
 * servers share a transaction; what takes longer comes after them. 200 once the event is stored; 401 for a missing or bad signature and for an
 * unknown server alike; 400 and 415 for a body that is no event; 429 when a user's own server
 * has used up its day; 503 if the database failed or the secret changed meanwhile, so that
 * the gateway sends it again. */
void webhook_receive(struct app *app, struct call *calls, size_t n);

#endif
