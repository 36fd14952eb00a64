#include "lib/seal.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/seal-int.h"

#define PREFIX "sealed:v"
#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES
#define AAD_SIZE 512

/* Reads the version of a sealed text and where its base64 begins; 0 if text is none. */
static int
parse(const char *text, const char **base64)
{
	int version = 0;

	if (text == NULL || strncmp(text, PREFIX, strlen(PREFIX)) != 0)
		return 0;
	text += strlen(PREFIX);
	if (*text == '0')
		return 0;
	for (; *text >= '0' && *text <= '9'; text++) {
		version = version * 10 + (*text - '0');
		if (version > SEAL_VERSION_MAX)
			return 0;
	}
	if (*text != ':')
		return 0;
	*base64 = text + 1;
	return version;
}

int
seal_version(const char *text)
{
	const char *base64;

	return parse(text, &base64);
}

bool
seal_is_sealed(const char *text)
{
	return seal_version(text) > 0;
}

void
seal_wipe(struct buf *b)
{
	if (b == NULL)
		return;
	if (b->data != NULL)
		sodium_memzero(b->data, b->cap);
	buf_free(b);
}

static bool
part_ok(const char *part)
{
	/* a '|' inside a part would let two places have the same associated data */
	return part != NULL && *part != '\0' && strchr(part, '|') == NULL;
}

/* The associated data of a place. */
struct aad {
	unsigned char text[AAD_SIZE];
	size_t len;
};

static bool
place(struct aad *aad, const char *table, const char *id, const char *column,
	int version, struct err *e)
{
	int n;

	if (!part_ok(table) || !part_ok(id) || !part_ok(column))
		return err_set(e, ERR_INPUT, "seal: a bad table, id or column");
	n = snprintf((char *)aad->text, sizeof(aad->text), "%s|%s|%s|v%d", table, id,
		column, version);
	if (n < 0 || (size_t)n >= sizeof(aad->text))
		return err_set(e, ERR_INPUT, "seal: table, id or column is too long");
	aad->len = (size_t)n;
	return true;
}

/* Fills room, which has the size for it, with nonce || ciphertext || tag. */
static void
encrypt(const unsigned char *key, const struct aad *aad, const char *plain, size_t n,
	unsigned char *room)
{
	randombytes_buf(room, NONCE);
	crypto_aead_xchacha20poly1305_ietf_encrypt(room + NONCE, NULL,
		(const unsigned char *)plain, n, aad->text, aad->len, NULL, room, key);
}

/* Written aside first: out gets all of it or nothing. */
static bool
append(struct buf *out, int version, const unsigned char *bytes, size_t n,
	struct err *e)
{
	struct buf text;
	bool ok;

	buf_init(&text,
		strlen(PREFIX) + 8 +
			sodium_base64_ENCODED_LEN(n, sodium_base64_VARIANT_ORIGINAL));
	ok = buf_printf(&text, PREFIX "%d:", version) && buf_base64(&text, bytes, n);
	if (ok && text.len > out->max - out->len)
		ok = err_set(e, ERR_TOO_LARGE, "seal: the sealed text does not fit");
	else if (!ok || !buf_add(out, text.data, text.len))
		ok = err_set(e, ERR_NOMEM, "out of memory");
	buf_free(&text);
	return ok;
}

bool
seal(const struct seal_key *k, const char *table, const char *id, const char *column,
	const char *plain, struct buf *out, struct err *e)
{
	int version = seal_key_current(k);
	unsigned char *room;
	struct aad aad;
	size_t n;
	bool ok;

	if (!place(&aad, table, id, column, version, e))
		return false;
	if (plain == NULL)
		return err_set(e, ERR_INPUT, "seal: there is nothing to seal");
	n = strlen(plain);
	room = malloc(NONCE + n + TAG);
	if (room == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	encrypt(seal_key_find(k, version), &aad, plain, n, room);
	ok = append(out, version, room, NONCE + n + TAG, e);
	free(room);
	return ok;
}

/* The bytes of strict base64 (RFC 4648 section 3.5: no stray bits); NULL and *e if it
 * is not, or too short to be ours. The caller frees. */
static unsigned char *
decode(const char *base64, size_t *n, struct err *e)
{
	size_t len = strlen(base64);
	unsigned char *bytes = malloc(len / 4 * 3 + 3);

	if (bytes == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	if (sodium_base642bin(bytes, len / 4 * 3 + 3, base64, len, NULL, n, NULL,
		    sodium_base64_VARIANT_ORIGINAL) != 0 ||
		*n < NONCE + TAG) {
		err_set(e, ERR_INPUT, "not a sealed text");
		free(bytes);
		return NULL;
	}
	return bytes;
}

/* Decrypts n bytes in place and appends the plain text. */
static bool
decrypt(const unsigned char *key, const struct aad *aad, unsigned char *bytes, size_t n,
	struct buf *out, struct err *e)
{
	size_t len = n - NONCE - TAG;

	if (crypto_aead_xchacha20poly1305_ietf_decrypt(bytes + NONCE, NULL, NULL,
		    bytes + NONCE, n - NONCE, aad->text, aad->len, bytes, key) != 0)
		return err_set(e, ERR_UNAUTHORIZED,
			"a sealed text was altered, moved or sealed with another key");
	if (len > out->max - out->len)
		return err_set(
			e, ERR_TOO_LARGE, "a sealed text is longer than expected");
	return buf_add(out, bytes + NONCE, len) ||
		err_set(e, ERR_NOMEM, "out of memory");
}

bool
unseal(const struct seal_key *k, const char *table, const char *id, const char *column,
	const char *sealed, struct buf *out, struct err *e)
{
	unsigned char *bytes;
	const unsigned char *key;
	const char *base64;
	int version = parse(sealed, &base64);
	struct aad aad;
	size_t n = 0;
	bool ok;

	if (version == 0)
		return err_set(e, ERR_INPUT, "not a sealed text");
	if (!place(&aad, table, id, column, version, e))
		return false;
	key = seal_key_find(k, version);
	if (key == NULL)
		return err_set(e, ERR_CONFIG,
			"no key of version %d to open a sealed text with", version);
	bytes = decode(base64, &n, e);
	if (bytes == NULL)
		return false;
	ok = decrypt(key, &aad, bytes, n, out, e);
	sodium_memzero(bytes, n);
	free(bytes);
	return ok;
}
