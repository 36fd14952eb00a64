#include <cjose/base64.h>
#include <cjose/header.h>
#include <cjose/util.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "lib/jwt-int.h"

#define RSA_BITS_MIN 2048 /* RFC 7518 section 3.3 */
#define RSA_BITS_MAX 8192 /* larger ones only cost time */

static const char *
text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* The bits of a base64url integer without its leading zeros, 0 if it is none. *odd says
 * whether its lowest bit is set. */
static size_t
integer_bits(const char *base64, bool *odd)
{
	uint8_t *bytes = NULL;
	size_t n = 0, i = 0, bits = 0;

	if (base64 == NULL ||
		!cjose_base64url_decode(base64, strlen(base64), &bytes, &n, NULL))
		return 0;
	while (i < n && bytes[i] == 0)
		i++;
	if (i < n) {
		bits = (n - i) * 8;
		for (unsigned top = bytes[i]; (top & 0x80) == 0; top <<= 1)
			bits--;
		*odd = (bytes[n - 1] & 1) != 0;
	}
	cjose_get_dealloc()(bytes);
	return bits;
}

/* Makes cjose's key from two public members only: a private one in the file stays
 * out of memory. */
static cjose_jwk_t *
import(const json_t *jwk, const char *kty, const char *a, const char *b)
{
	json_t *bare = json_pack(
		"{s:s, s:s, s:s}", "kty", kty, a, text_of(jwk, a), b, text_of(jwk, b));
	cjose_jwk_t *made = NULL;

	if (bare != NULL &&
		(strcmp(kty, "EC") != 0 ||
			json_object_set_new(bare, "crv", json_string("P-256")) == 0))
		made = cjose_jwk_import_json(bare, NULL);
	json_decref(bare);
	return made;
}

static void
read_rsa(const json_t *jwk, struct jwt_key *key)
{
	bool n_odd = false, e_odd = false;
	size_t n_bits = integer_bits(text_of(jwk, "n"), &n_odd);
	size_t e_bits = integer_bits(text_of(jwk, "e"), &e_odd);

	/* an exponent of 1 would make every signature valid, a huge one slow */
	if (n_bits < RSA_BITS_MIN || n_bits > RSA_BITS_MAX || !n_odd || e_bits < 2 ||
		e_bits > 64 || !e_odd)
		return;
	key->alg = CJOSE_HDR_ALG_RS256;
	key->sig_size = (n_bits + 7) / 8;
	key->jwk = import(jwk, "RSA", "n", "e");
}

static void
read_ec(const json_t *jwk, struct jwt_key *key)
{
	const char *crv = text_of(jwk, "crv");

	if (crv == NULL || strcmp(crv, "P-256") != 0 || text_of(jwk, "x") == NULL ||
		text_of(jwk, "y") == NULL)
		return;
	key->alg = CJOSE_HDR_ALG_ES256;
	key->sig_size = 64;
	key->jwk = import(jwk, "EC", "x", "y");
}

/* False if the member is there but does not have that value. */
static bool
absent_or(const json_t *object, const char *name, const char *value)
{
	const json_t *member = json_object_get(object, name);
	const char *text = json_string_value(member);

	return member == NULL || (text != NULL && strcmp(text, value) == 0);
}

/* RFC 7517 section 4.3 */
static bool
may_verify(const json_t *jwk)
{
	const json_t *ops = json_object_get(jwk, "key_ops"), *op;
	size_t i;

	if (ops == NULL)
		return true;
	json_array_foreach(ops, i, op)
		if (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0)
			return true;
	return false;
}

/* Reads one entry of the set; key->jwk stays NULL if it is not for us. */
static bool
read_key(const json_t *jwk, struct jwt_key *key, struct err *e)
{
	const char *kty = text_of(jwk, "kty");
	const json_t *kid = json_object_get(jwk, "kid");

	*key = (struct jwt_key){0};
	if (kty == NULL || !absent_or(jwk, "use", "sig") || !may_verify(jwk) ||
		(kid != NULL && !json_is_string(kid)))
		return true;
	if (strcmp(kty, "RSA") == 0 && absent_or(jwk, "alg", CJOSE_HDR_ALG_RS256))
		read_rsa(jwk, key);
	else if (strcmp(kty, "EC") == 0 && absent_or(jwk, "alg", CJOSE_HDR_ALG_ES256))
		read_ec(jwk, key);
	if (key->jwk == NULL || kid == NULL)
		return true;
	key->kid = strdup(json_string_value(kid));
	if (key->kid != NULL)
		return true;
	cjose_jwk_release(key->jwk);
	return err_set(e, ERR_NOMEM, "out of memory");
}

static bool
add_key(struct jwt_keyset *set, const json_t *jwk, struct err *e)
{
	struct jwt_key key;

	if (!read_key(jwk, &key, e))
		return false;
	if (key.jwk == NULL)
		return true;
	for (size_t i = 0; i < set->count; i++)
		if (set->key[i].alg == key.alg &&
			jwt_same_kid(set->key[i].kid, key.kid)) {
			cjose_jwk_release(key.jwk);
			free(key.kid);
			return err_set(e, ERR_CONFIG,
				"JWK set: two %s keys with the same kid",
				set->key[i].alg);
		}
	set->key[set->count++] = key;
	return true;
}

static bool
add_keys(struct jwt_keyset *set, const json_t *root, struct err *e)
{
	const json_t *keys = json_object_get(root, "keys"), *jwk;
	size_t i;

	if (json_array_size(keys) > JWT_KEYS_MAX)
		return err_set(
			e, ERR_CONFIG, "JWK set: more than %d keys", JWT_KEYS_MAX);
	json_array_foreach(keys, i, jwk)
		if (!add_key(set, jwk, e))
			return false;
	return set->count > 0 ||
		err_set(e, ERR_CONFIG,
			"JWK set: no RSA key of 2048 bits or more, no P-256 key");
}

struct jwt_keyset *
jwt_keyset_parse(const char *json, size_t n, struct err *e)
{
	struct jwt_keyset *set = NULL;
	json_t *root = NULL;
	json_error_t why;
	bool ok = false;

	if (n > JWT_JWKS_MAX) {
		err_set(e, ERR_CONFIG, "JWK set: more than %d bytes", JWT_JWKS_MAX);
		goto out;
	}
	root = json_loadb(json, n, JSON_REJECT_DUPLICATES, &why);
	if (root == NULL && json_error_code(&why) != json_error_out_of_memory) {
		err_set(e, ERR_CONFIG, "JWK set: bad JSON in line %d", why.line);
		goto out;
	}
	set = calloc(1, sizeof(*set));
	if (root == NULL || set == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	ok = add_keys(set, root, e);
out:
	/* what OpenSSL says of a key that was skipped must not be taken for the error
	 * of this thread's next TLS connection */
	ERR_clear_error();
	json_decref(root);
	if (!ok) {
		jwt_keyset_free(set);
		set = NULL;
	}
	return set;
}
