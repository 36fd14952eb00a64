/*
 * auth: who is asking. Bearer tokens by lib/jwt, keys from JWT_SECRET,
 * JWKS_FILE or JWKS_URL.
 *
 * A set from JWKS_URL is fetched at start and again when it is 10 minutes old, or at
 * most once a minute when a token names an unknown key; one request does that while the
 * others go on with the set at hand, which stays in use as long as fetching fails.
 * Thread-safety: auth_user from any thread, auth_open before threads.
 */
#ifndef WAPOOL_AUTH_H
#define WAPOOL_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/app.h"
#include "lib/request.h"
#include "lib/response.h"

struct user {
	char id[37];
	char email[255]; /* "" if the token does not say */
	bool admin;
	int64_t expires; /* of his token, seconds since 1970 */
};

/* Makes app->jwt from the configuration; needs app->http. ERR_CONFIG if no key is set,
 * two kinds are, or it is not usable; with JWKS_URL also the errors of http_call.
 * jwt_keys_free frees it (app_close does). */
bool auth_open(struct app *app, struct err *e);

/* The user whose valid bearer token the request carries, into *out, unless his account
 * was disabled, which the database is asked. False: rs holds the answer already, 401, 503
 * (the database) or 500 (memory ran out). Needs app->db. */
bool auth_user(struct app *app, const struct request *rq, struct user *out,
	struct response *rs);

/* The same without asking the database: where the caller's first statement does that by
 * the SQL function active_user, and its ERR_UNAUTHORIZED is answered 401. */
bool auth_token(struct app *app, const struct request *rq, struct user *out,
	struct response *rs);

/* The same, if he is an administrator: 403 for others. */
bool auth_admin(struct app *app, const struct request *rq, struct user *out,
	struct response *rs);

#endif
