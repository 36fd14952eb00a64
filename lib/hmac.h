/*
 * hmac: HMACs as gateways sign their webhooks (RFC 2104, in hex: WAHA with SHA-512 as
 * X-Webhook-Hmac, GOWA with SHA-256 as X-Hub-Signature-256), their comparison in constant
 * time, and SHA-256 fingerprints.
 *
 * Pure functions over OpenSSL, safe from any thread.
 */
#ifndef WAPOOL_HMAC_H
#define WAPOOL_HMAC_H

#include <stdbool.h>
#include <stddef.h>

#define HMAC_SHA512_HEX_SIZE 129 /* hex digits of HMAC-SHA-512 and the NUL */
#define HMAC_SHA256_HEX_SIZE 65  /* likewise of HMAC-SHA-256 */
#define SHA256_HEX_SIZE 65       /* hex digits of SHA-256 and the NUL */

/* Writes HMAC-SHA-512 of n bytes of data under klen bytes of key as lower-case hex into
 * out. key and data may be NULL if their length is 0. False, and out "", if klen
 * exceeds INT_MAX or OpenSSL fails (memory). */
bool hmac_sha512_hex(const void *key, size_t klen, const void *data, size_t n,
	char out[HMAC_SHA512_HEX_SIZE]);

/* The same with HMAC-SHA-256. */
bool hmac_sha256_hex(const void *key, size_t klen, const void *data, size_t n,
	char out[HMAC_SHA256_HEX_SIZE]);

/* Writes SHA-256 of n bytes of data as lower-case hex into out. data may be NULL if n
 * is 0. False, and out "", if OpenSSL fails (memory). */
bool sha256_hex(const void *data, size_t n, char out[SHA256_HEX_SIZE]);

/* True if both are the same hex digits, upper and lower case alike, 1 to 128 of them.
 * The time depends on the lengths, not on where they differ. False on NULL, different
 * lengths or anything that is not hex. */
bool hmac_equal_hex(const char *a, const char *b);

#endif
