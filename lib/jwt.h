/*
 * jwt: who a bearer token speaks for (RFC 7519, verified as RFC 8725 asks), and the
 * HS256 tokens that /api/auth/login makes.
 *
 * The algorithm follows from the key the operator configured, never from the token
 * (RFC 8725 section 3.1): a secret verifies HS256 only, a JWK set RS256 by its RSA
 * keys and ES256 by its P-256 keys. Nothing a token names is fetched or used as a
 * key: jku, x5u, jwk and x5c are ignored (section 3.10).
 *
 * Fetching JWKS_URL is not done here: its owner calls jwt_keys_replace_json with what
 * it fetched, on a timer and, at a limited rate, when a token names a kid that the set
 * does not have.
 *
 * Thread-safety: one struct jwt_keys may be used by any number of threads at once, also
 * while jwt_keys_replace_json runs; only jwt_keys_free must be the last call. jansson
 * must be seeded (json_object_seed) before threads start.
 */
#ifndef WAPOOL_JWT_H
#define WAPOOL_JWT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define JWT_TOKEN_MAX 8192 /* bytes of a token */
#define JWT_JWKS_MAX 65536 /* bytes of a JWK set */
#define JWT_SECRET_MIN 32  /* bytes of an HS256 secret (RFC 7518 section 3.2) */
#define JWT_LEEWAY_MAX 60  /* seconds of clock skew that may be allowed for */

/* What a good token says. Texts are "" if the token does not say. */
struct jwt_claims {
	char sub[37];    /* the user: a UUID in lower case; never "" */
	char email[255]; /* as the issuer says: to show, not to authorize by */
	char role[33];   /* the claim `role`, e.g. "authenticated" */
	bool is_admin;   /* app_metadata.role is "admin"; user_metadata never counts */
	int64_t exp;     /* seconds since 1970 */
};

/* What a token must carry beyond a good signature. */
struct jwt_rules {
	const char *issuer;   /* NULL or "": any iss, or none */
	const char *audience; /* NULL or "": no aud, or one with "authenticated" */
	int leeway_s;         /* for exp, nbf and iat; held to 0..JWT_LEEWAY_MAX */
};

struct jwt_keys;

/*
 * Keys that verify (and issue) HS256 with the bytes of secret as they stand, not
 * base64-decoded (as Supabase uses its JWT secret). The secret is copied. NULL and *e:
 * ERR_CONFIG if it is NULL or has fewer than JWT_SECRET_MIN bytes, ERR_NOMEM,
 * ERR_INTERNAL. Free with jwt_keys_free.
 */
struct jwt_keys *
jwt_keys_hs256(const char *secret, struct err *e) __attribute__((warn_unused_result));

/*
 * Keys from a JWK set (RFC 7517 section 5), n bytes of json, which are not kept.
 * Used are RSA keys of 2048 to 8192 bits and P-256 keys, unless their `use`, `key_ops`
 * or `alg` says that they are for something else; of those only the public half. Any
 * other entry is skipped, as section 5 advises. NULL and *e: ERR_CONFIG if it is no
 * strict JSON (duplicate members are refused), exceeds JWT_JWKS_MAX, holds no usable
 * key, more than 64, or two of one kind with the same kid (or both without);
 * ERR_NOMEM. Free with jwt_keys_free.
 */
struct jwt_keys *jwt_keys_jwks_json(const char *json, size_t n, struct err *e)
	__attribute__((warn_unused_result));

/* The same from a file. ERR_CONFIG also if it cannot be read. */
struct jwt_keys *
jwt_keys_jwks_file(const char *path, struct err *e) __attribute__((warn_unused_result));

/* Frees the keys; a secret is wiped. No thread may use them any more. NULL allowed. */
void jwt_keys_free(struct jwt_keys *keys);

/*
 * Puts a new JWK set in the old one's place. Verifications that run meanwhile end with
 * the set they began with. On failure the old set stays and *e is as for
 * jwt_keys_jwks_json; ERR_CONFIG also if keys hold a secret.
 */
bool
jwt_keys_replace_json(struct jwt_keys *keys, const char *json, size_t n, struct err *e);

/*
 * Verifies a compact JWS (RFC 7515 section 7.1) and its claims against the wall clock
 * now_s (seconds since 1970). True, and *out filled, only if all of this holds:
 *
 *   form     at most JWT_TOKEN_MAX bytes, three parts of canonical base64url without
 *            padding, header and payload strict JSON objects without duplicate members,
 *            each with at most 256 arrays and objects in it
 *   header   alg is the key's; kid, if there is one, names a key of the set (ignored
 *            with a secret), otherwise exactly one key of the set fits alg; typ is
 *            absent, "JWT" or "at+jwt" (RFC 9068 section 4); no crit (RFC 7515
 *            section 4.1.11)
 *   exp      there, a number, and now_s < exp + leeway (RFC 7519 section 4.1.4)
 *   nbf iat  absent, or a number not later than now_s + leeway
 *   iss aud  as rules say; aud is a text or an array of texts
 *   sub      there and a UUID
 *   user     iss is not "supabase", role neither "anon" nor "service_role" (Supabase's
 *            legacy API keys are signed with the same secret), is_anonymous absent,
 *            null or false; role and email, if there, short texts without control
 *            characters
 *
 * Otherwise false, *out zeroed, and *e: ERR_UNAUTHORIZED with a short reason that
 * repeats nothing from the token, and the cause "kid" if the set does not have that kid:
 * it may be stale, but whoever sends requests can cause this at will; ERR_NOMEM (where the library that failed tells; if
 * not, also ERR_UNAUTHORIZED). token NULL is unauthorized; keys, rules and out must
 * not be NULL.
 */
bool jwt_verify(struct jwt_keys *keys, const struct jwt_rules *rules, const char *token,
	int64_t now_s, struct jwt_claims *out, struct err *e);

/*
 * A new HS256 token: {iss?, aud, sub, email, role: "authenticated", app_metadata:
 * {role: "admin" or "user"}, iat: now_s, exp: now_s + ttl_s, jti: 128 random bits}.
 * issuer "" or NULL: no iss. audience "" or NULL: "authenticated". email NULL: "".
 * The caller frees the result with free(). NULL and *e: ERR_CONFIG if keys are a JWK
 * set; ERR_INPUT if sub is no UUID, a text is no UTF-8, holds control characters or
 * exceeds 254 bytes, or ttl_s is not 1 to INT32_MAX; ERR_NOMEM; ERR_INTERNAL.
 */
char *jwt_issue_hs256(struct jwt_keys *keys, const char *issuer, const char *audience,
	const char *sub, const char *email, bool role_is_admin, int64_t now_s,
	int64_t ttl_s, struct err *e) __attribute__((warn_unused_result));

#endif
