/*
 * signature: what we sign our own webhooks with: Standard Webhooks 1.0.0, symmetric
 * (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md).
 *
 * Signed is "<id>.<timestamp>.<body>" with HMAC-SHA256; the header holds "v1,<base64>",
 * several of them separated by spaces while a secret is being replaced. A secret is
 * shown and stored as "whsec_<base64>" of 24 to 64 random bytes. Pure functions over
 * OpenSSL and libsodium (sodium_init first), safe from any thread.
 */
#ifndef WAPOOL_SIGNATURE_H
#define WAPOOL_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"

#define SIGNATURE_SECRET_SIZE 64 /* of a secret made here, with its NUL */

/* Makes a secret of 32 random bytes. */
void signature_secret_new(char out[SIGNATURE_SECRET_SIZE]);

/*
 * Appends "v1,<base64>" under that secret to out, after a space if out holds something.
 * The prefix "whsec_" may be missing. id must not hold a '.'. False, with out as it
 * was: ERR_CONFIG if secret is not base64 of 24 to 64 bytes, ERR_INPUT for the id,
 * ERR_TOO_LARGE if out cannot hold it, ERR_INTERNAL if OpenSSL fails.
 */
bool signature_add(struct buf *out, const char *secret, const char *id,
	int64_t timestamp, const void *body, size_t n, struct err *e);

#endif
