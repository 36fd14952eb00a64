#include <cjose/header.h>
#include <cjose/jws.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/jwt-int.h"
#include "lib/utf8.h"

#define NAME_MAX_BYTES 254 /* of an issuer or an audience: a URL at most */
#define EMAIL_MAX_BYTES (sizeof(((struct jwt_claims *)NULL)->email) - 1)

static bool
text_ok(const char *text, size_t max)
{
	size_t n = strnlen(text, max + 1);

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return n <= max && utf8_valid(text, n);
}

static bool
random_hex(char out[33])
{
	unsigned char bytes[16];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

/* Signs payload, which may be NULL for want of memory. */
static char *
sign(const struct jwt_key *key, const json_t *payload, struct err *e)
{
	json_t *header = json_pack("{s:s, s:s}", "alg", key->alg, "typ", "JWT");
	char *text = payload != NULL ? json_dumps(payload, JSON_COMPACT) : NULL;
	const char *compact = NULL;
	cjose_jws_t *jws = NULL;
	char *token = NULL;

	if (header != NULL && text != NULL)
		jws = cjose_jws_sign(
			key->jwk, header, (const uint8_t *)text, strlen(text), NULL);
	if (jws != NULL && cjose_jws_export(jws, &compact, NULL) && compact != NULL)
		token = strdup(compact);
	if (token == NULL)
		err_set(e, ERR_NOMEM, "no memory for a token");
	cjose_jws_release(jws);
	free(text);
	json_decref(header);
	ERR_clear_error();
	return token;
}

static json_t *
payload_of(const char *iss, const char *aud, const char *sub, const char *email,
	bool admin, int64_t iat, int64_t exp, const char *jti)
{
	json_t *p = json_pack("{s:s, s:s, s:s, s:s, s:{s:s}, s:I, s:I, s:s}", "aud",
		aud, "sub", sub, "email", email, "role", "authenticated",
		"app_metadata", "role", admin ? "admin" : "user", "iat",
		(json_int_t)iat, "exp", (json_int_t)exp, "jti", jti);

	if (p == NULL || *iss == '\0' ||
		json_object_set_new(p, "iss", json_string(iss)) == 0)
		return p;
	json_decref(p);
	return NULL;
}

char *
jwt_issue_hs256(struct jwt_keys *keys, const char *issuer, const char *audience,
	const char *sub, const char *email, bool role_is_admin, int64_t now_s,
	int64_t ttl_s, struct err *e)
{
	const char *iss = issuer != NULL ? issuer : "";
	const char *aud =
		audience != NULL && *audience != '\0' ? audience : "authenticated";
	const char *mail = email != NULL ? email : "";
	struct jwt_keyset *set = jwt_keyset_take(keys);
	json_t *payload = NULL;
	char uuid[37], jti[33];
	char *token = NULL;

	if (!set->secret) {
		err_set(e, ERR_CONFIG, "tokens are made with a JWT secret only");
		goto out;
	}
	if (!jwt_uuid(sub, uuid) || !text_ok(iss, NAME_MAX_BYTES) ||
		!text_ok(aud, NAME_MAX_BYTES) || !text_ok(mail, EMAIL_MAX_BYTES) ||
		ttl_s < 1 || ttl_s > INT32_MAX) {
		err_set(e, ERR_INPUT, "what a token is to say is not valid");
		goto out;
	}
	if (!random_hex(jti)) {
		err_set(e, ERR_INTERNAL, "no random bytes");
		goto out;
	}
	payload = payload_of(
		iss, aud, uuid, mail, role_is_admin, now_s, now_s + ttl_s, jti);
	token = sign(&set->key[0], payload, e);
out:
	json_decref(payload);
	jwt_keyset_drop(keys, set);
	return token;
}
