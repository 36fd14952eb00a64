#include "lib/signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "whsec_"
#define KEY_MIN 24
#define KEY_MAX 64
#define MAC_SIZE 32
#define HEAD_MAX 160 /* "<id>.<timestamp>." */

void
signature_secret_new(char out[SIGNATURE_SECRET_SIZE])
{
	unsigned char random[32];

	randombytes_buf(random, sizeof(random));
	memcpy(out, PREFIX, sizeof(PREFIX) - 1);
	sodium_bin2base64(out + sizeof(PREFIX) - 1,
		SIGNATURE_SECRET_SIZE - (sizeof(PREFIX) - 1), random, sizeof(random),
		sodium_base64_VARIANT_ORIGINAL);
	sodium_memzero(random, sizeof(random));
}

static bool
key_of(const char *secret, unsigned char key[KEY_MAX], size_t *n)
{
	const char *text = secret;

	if (strncmp(text, PREFIX, sizeof(PREFIX) - 1) == 0)
		text += sizeof(PREFIX) - 1;
	return sodium_base642bin(key, KEY_MAX, text, strlen(text), NULL, n, NULL,
		       sodium_base64_VARIANT_ORIGINAL) == 0 &&
		*n >= KEY_MIN;
}

/* HMAC-SHA256 over head and body, which are not copied together. */
static bool
mac_of(const unsigned char *key, size_t klen, const char *head, const void *body,
	size_t n, unsigned char mac[MAC_SIZE])
{
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = hmac != NULL ? EVP_MAC_CTX_new(hmac) : NULL;
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string("digest", digest, 0),
		OSSL_PARAM_construct_end()};
	size_t size = 0;
	bool ok = ctx != NULL && EVP_MAC_init(ctx, key, klen, params) == 1 &&
		EVP_MAC_update(ctx, (const unsigned char *)head, strlen(head)) == 1 &&
		(n == 0 || EVP_MAC_update(ctx, body, n) == 1) &&
		EVP_MAC_final(ctx, mac, &size, MAC_SIZE) == 1 && size == MAC_SIZE;

	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(hmac);
	return ok;
}

bool
signature_add(struct buf *out, const char *secret, const char *id, int64_t timestamp,
	const void *body, size_t n, struct err *e)
{
	unsigned char key[KEY_MAX], mac[MAC_SIZE];
	char head[HEAD_MAX], text[3 + sodium_base64_ENCODED_LEN(MAC_SIZE, 1)];
	size_t klen = 0;
	bool ok = key_of(secret, key, &klen);

	if (!ok) {
		err_set(e, ERR_CONFIG, "the secret is not whsec_ and base64");
		goto out;
	}
	ok = strchr(id, '.') == NULL &&
		snprintf(head, sizeof(head), "%s.%lld.", id, (long long)timestamp) <
			(int)sizeof(head);
	if (!ok) {
		err_set(e, ERR_INPUT, "no id to sign");
		goto out;
	}
	ok = mac_of(key, klen, head, body, n, mac);
	if (!ok) {
		err_set(e, ERR_INTERNAL, "HMAC-SHA256 failed");
		goto out;
	}
	memcpy(text, "v1,", 3);
	sodium_bin2base64(text + 3, sizeof(text) - 3, mac, sizeof(mac),
		sodium_base64_VARIANT_ORIGINAL);
	ok = buf_printf(out, "%s%s", out->len > 0 ? " " : "", text);
	if (!ok)
		err_set(e, ERR_TOO_LARGE, "no room for the signature");
out:
	sodium_memzero(key, sizeof(key));
	return ok;
}
