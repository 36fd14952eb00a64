#include "lib/jwt.h"

#include <cjose/base64.h>
#include <cjose/jws.h>
#include <cjose/util.h>
#include <openssl/err.h>
#include <string.h>
#include <strings.h>

#include "lib/jwt-int.h"

/* Arrays and objects in one part. jansson recurses for each level, up to 2048 of them,
 * which a thread with a small stack would not survive. */
#define NESTS_MAX 256

enum { HEADER, PAYLOAD, SIGNATURE, PARTS };

struct token {
	const char *text;
	size_t len;
	const char *part[PARTS];
	size_t size[PARTS];
};

static int
digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Base64url without padding and with no stray bits in its last digit (RFC 7515
 * section 2, RFC 4648 section 3.5). cjose takes more, so one signature would
 * have several texts. */
static bool
base64url(const char *s, size_t n)
{
	static const int stray[] = {0, -1, 15, 3};

	if (n == 0 || n % 4 == 1)
		return false;
	for (size_t i = 0; i < n; i++)
		if (digit(s[i]) < 0)
			return false;
	return (digit(s[n - 1]) & stray[n % 4]) == 0;
}

static bool
split(const char *text, struct token *t, struct err *e)
{
	size_t part = 0;

	*t = (struct token){.text = text};
	t->len = text != NULL ? strnlen(text, JWT_TOKEN_MAX + 1) : 0;
	if (t->len == 0)
		return jwt_refuse(e, "missing");
	if (t->len > JWT_TOKEN_MAX)
		return jwt_refuse(e, "too long");
	t->part[HEADER] = text;
	for (size_t i = 0; i < t->len; i++)
		if (text[i] != '.')
			t->size[part]++;
		else if (++part < PARTS)
			t->part[part] = text + i + 1;
		else
			return jwt_refuse(e, "not three parts");
	if (part != SIGNATURE)
		return jwt_refuse(e, "not three parts");
	for (part = 0; part < PARTS; part++)
		if (!base64url(t->part[part], t->size[part]))
			return jwt_refuse(e, "not base64url");
	return true;
}

/* The object that n bytes of strict JSON are. NULL and *e otherwise. */
static json_t *
object(const uint8_t *bytes, size_t n, struct err *e)
{
	json_error_t why;
	json_t *root;
	size_t nests = 0;

	for (size_t i = 0; i < n; i++)
		nests += bytes[i] == '[' || bytes[i] == '{';
	if (nests > NESTS_MAX) {
		jwt_refuse(e, "too many arrays or objects");
		return NULL;
	}
	root = json_loadb((const char *)bytes, n, JSON_REJECT_DUPLICATES, &why);
	if (root == NULL && json_error_code(&why) == json_error_out_of_memory)
		err_set(e, ERR_NOMEM, "out of memory");
	else if (!json_is_object(root))
		jwt_refuse(e, "not a JSON object, or a member twice");
	if (json_is_object(root))
		return root;
	json_decref(root);
	return NULL;
}

static json_t *
read_header(const struct token *t, struct err *e)
{
	uint8_t *bytes = NULL;
	json_t *header;
	size_t n = 0;

	if (!cjose_base64url_decode(
		    t->part[HEADER], t->size[HEADER], &bytes, &n, NULL)) {
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	header = object(bytes, n, e);
	cjose_get_dealloc()(bytes);
	return header;
}

/* A media type, so its case does not matter (RFC 7515 section 4.1.9). */
static bool
type_ok(const json_t *typ)
{
	const char *text = json_string_value(typ);

	return typ == NULL ||
		(text != NULL &&
			(strcasecmp(text, "JWT") == 0 ||
				strcasecmp(text, "at+jwt") == 0));
}

/* The key the header may be verified with, borrowed from set. */
static const struct jwt_key *
choose_key(const struct jwt_keyset *set, const json_t *header, struct err *e)
{
	const char *alg = json_string_value(json_object_get(header, "alg"));
	const json_t *kid = json_object_get(header, "kid");
	const struct jwt_key *key = NULL;

	if (json_object_get(header, "crit") != NULL)
		jwt_refuse(e, "a critical extension");
	else if (!type_ok(json_object_get(header, "typ")))
		jwt_refuse(e, "another type of token");
	else if (alg == NULL || (kid != NULL && !json_is_string(kid)))
		jwt_refuse(e, "a bad header");
	else
		key = jwt_keyset_find(set, alg, json_string_value(kid), e);
	return key;
}

/* The payload, if the signature is good. */
static json_t *
verified(const struct token *t, const struct jwt_key *key, struct err *e)
{
	cjose_err why = {.code = CJOSE_ERR_NONE};
	cjose_jws_t *jws = NULL;
	json_t *payload = NULL;
	uint8_t *bytes;
	size_t n;

	/* cjose halves whatever length an ES256 signature has, so a longer or shorter
	 * form of a good one would pass there (RFC 7518 section 3.4: 64 bytes) */
	if (t->size[SIGNATURE] == (key->sig_size * 4 + 2) / 3)
		jws = cjose_jws_import(t->text, t->len, &why);
	if (jws != NULL && cjose_jws_verify(jws, key->jwk, &why) &&
		cjose_jws_get_plaintext(jws, &bytes, &n, &why))
		payload = object(bytes, n, e);
	else if (why.code == CJOSE_ERR_NO_MEMORY)
		err_set(e, ERR_NOMEM, "out of memory");
	else
		jwt_refuse(e, "a bad signature");
	cjose_jws_release(jws);
	/* must not be taken for the error of this thread's next TLS connection */
	ERR_clear_error();
	return payload;
}

bool
jwt_verify(struct jwt_keys *keys, const struct jwt_rules *rules, const char *token,
	int64_t now_s, struct jwt_claims *out, struct err *e)
{
	struct jwt_keyset *set = NULL;
	const struct jwt_key *key;
	json_t *header = NULL, *payload = NULL;
	struct token t;
	bool ok = false;

	*out = (struct jwt_claims){0};
	if (!split(token, &t, e))
		return false;
	header = read_header(&t, e);
	if (header == NULL)
		goto out;
	set = jwt_keyset_take(keys);
	key = choose_key(set, header, e);
	if (key == NULL)
		goto out;
	payload = verified(&t, key, e);
	ok = payload != NULL && jwt_claims_read(payload, rules, now_s, out, e);
out:
	if (set != NULL)
		jwt_keyset_drop(keys, set);
	json_decref(payload);
	json_decref(header);
	if (!ok)
		*out = (struct jwt_claims){0};
	return ok;
}
