#include "lib/hmac.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

static void
to_hex(const unsigned char *bytes, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * n] = '\0';
}

static bool
hmac_hex(const EVP_MD *algorithm, const void *key, size_t klen, const void *data,
	size_t n, char *out)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned int size = 0;

	out[0] = '\0';
	if (klen > INT_MAX ||
		HMAC(algorithm, klen > 0 ? key : "", (int)klen, n > 0 ? data : "", n,
			mac, &size) == NULL)
		return false;
	to_hex(mac, size, out);
	return true;
}

bool
hmac_sha512_hex(const void *key, size_t klen, const void *data, size_t n,
	char out[HMAC_SHA512_HEX_SIZE])
{
	return hmac_hex(EVP_sha512(), key, klen, data, n, out);
}

bool
hmac_sha256_hex(const void *key, size_t klen, const void *data, size_t n,
	char out[HMAC_SHA256_HEX_SIZE])
{
	return hmac_hex(EVP_sha256(), key, klen, data, n, out);
}

bool
sha256_hex(const void *data, size_t n, char out[SHA256_HEX_SIZE])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	out[0] = '\0';
	if (SHA256(n > 0 ? data : "", n, digest) == NULL)
		return false;
	to_hex(digest, sizeof(digest), out);
	return true;
}

/* Writes n hex digits in lower case. No branch depends on a digit, as one of the two
 * texts is the secret that the other one guesses at. */
static bool
fold_hex(const char *hex, size_t n, unsigned char *out)
{
	unsigned bad = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned c = (unsigned char)hex[i];
		unsigned low = c | 0x20;

		bad |= (c - '0' > 9u) & (low - 'a' > 5u);
		out[i] = (unsigned char)low;
	}
	return bad == 0;
}

bool
hmac_equal_hex(const char *a, const char *b)
{
	unsigned char x[HMAC_SHA512_HEX_SIZE - 1], y[HMAC_SHA512_HEX_SIZE - 1];
	size_t n;
	bool hex;

	if (a == NULL || b == NULL)
		return false;
	n = strnlen(a, sizeof(x) + 1);
	if (n == 0 || n > sizeof(x) || strnlen(b, sizeof(y) + 1) != n)
		return false;
	hex = fold_hex(a, n, x);
	hex = fold_hex(b, n, y) && hex;
	return CRYPTO_memcmp(x, y, n) == 0 && hex;
}
