/*
 * jwt-int: what jwt.c, jwt-keys.c, jwt-jwks.c, jwt-claims.c and jwt-issue.c share; for
 * no other file.
 */
#ifndef WAPOOL_JWT_INT_H
#define WAPOOL_JWT_INT_H

#include <cjose/jwk.h>
#include <jansson.h>

#include "lib/jwt.h"

#define JWT_KEYS_MAX 64

struct jwt_key {
	const char *alg; /* "HS256", "RS256" or "ES256": static, as cjose names it */
	char *kid;       /* NULL if it has none */
	size_t sig_size; /* bytes of each signature */
	cjose_jwk_t *jwk;
};

/* Never changes once it is in use; counted, so that one thread can replace it while
 * others verify with it. */
struct jwt_keyset {
	int users;
	bool secret;
	size_t count;
	struct jwt_key key[JWT_KEYS_MAX];
};

/* The set of this moment, to be given back with jwt_keyset_drop. */
struct jwt_keyset *jwt_keyset_take(struct jwt_keys *keys);
void jwt_keyset_drop(struct jwt_keys *keys, struct jwt_keyset *set);

/*
 * The one key that verifies a token with that alg and kid (NULL: it named none),
 * borrowed from set. NULL if none does, or without kid more than one, and *e as
 * jwt_verify says.
 */
const struct jwt_key *jwt_keyset_find(
	const struct jwt_keyset *set, const char *alg, const char *kid, struct err *e);

/* The set of a JWK set's JSON, with no user yet; NULL and *e as jwt_keys_jwks_json. */
struct jwt_keyset *jwt_keyset_parse(const char *json, size_t n, struct err *e);

/* Frees a set nobody uses; a secret is wiped. NULL is allowed. */
void jwt_keyset_free(struct jwt_keyset *set);

/* True if both are NULL or equal. */
bool jwt_same_kid(const char *a, const char *b);

/* Checks a verified payload as jwt_verify says and fills *out. */
bool jwt_claims_read(const json_t *payload, const struct jwt_rules *rules,
	int64_t now_s, struct jwt_claims *out, struct err *e);

/* Sets ERR_UNAUTHORIZED with a reason, which never holds what the token holds. */
static inline bool
jwt_refuse(struct err *e, const char *reason)
{
	return err_set(e, ERR_UNAUTHORIZED, "token: %s", reason);
}

/* Copies a UUID (RFC 9562 section 4) in lower case; false, and out "", if text is
 * none or NULL. */
bool jwt_uuid(const char *text, char out[37]);

#endif
