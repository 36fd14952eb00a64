/*
 * idempotency: the Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header).
 *
 * Keys are per user and route. The same key with the same body gets the stored answer
 * again; with another body 422; while the first still runs 409; a malformed key 400.
 * Answers that may be tried again as they are (5xx, 429) are not stored: the key is free
 * again. Answers are kept for IDEMPOTENCY_TTL hours, IDEMPOTENCY_KEYS of a user's: 429 when
 * he has as many, rather than one forgotten early, whose request could then be done twice.
 * A program that has the sealing keys seals what it stores: an answer may hold a QR, which
 * is as good as a key for a minute.
 * Thread-safety: as db.
 */
#ifndef WAPOOL_IDEMPOTENCY_H
#define WAPOOL_IDEMPOTENCY_H

#include <stdbool.h>

#include "lib/app.h"
#include "lib/auth.h"
#include "lib/db.h"
#include "lib/request.h"
#include "lib/response.h"

#define IDEMPOTENCY_KEY_MAX 255

struct idempotency {
	bool active; /* the request carried a key and is the first of it */
	char user_id[37];
	char route[128];
	char key[IDEMPOTENCY_KEY_MAX + 1];
	char token[37]; /* fences a first request that took longer than its lock */
};

/*
 * True: go on (with or without a key). False: rs is answered already (replay, 400, 409,
 * 422, 429, 401 of a disabled account, or a failure). route is the path that the key belongs
 * to. A first request that dies frees its key when no request can be under way any more.
 */
bool idempotency_begin(struct app *app, const struct request *rq, const struct user *u,
	const char *route, struct idempotency *id, struct response *rs);

/* Stores rs's answer with the key, inside the caller's transaction on c. Does nothing
 * without a key. False on an error of db or seal. */
bool idempotency_store(struct app *app, struct db_conn *c, const struct idempotency *id,
	const struct response *rs, deadline_t d, struct err *e);

/* The same outside of a transaction: stores an answer that is final, frees the key of any
 * other. Also after the request's deadline. A failure is logged: the key then frees
 * itself when its lock ends. */
void idempotency_end(
	struct app *app, const struct idempotency *id, const struct response *rs);

#endif
