/*
 * ids: random and unique names in the shapes WAHA and WhatsApp use.
 *
 * All randomness is the kernel's (buffered per thread). Thread-safe.
 */
#ifndef SIM_IDS_H
#define SIM_IDS_H

#include <stddef.h>
#include <stdint.h>

#define IDS_ULID_SIZE 27    /* 26 characters and the NUL */
#define IDS_REQUEST_SIZE 18 /* 17 characters and the NUL */
#define IDS_MESSAGE_SIZE 32
#define IDS_CODE_SIZE 10 /* "ABCD-EFGH" and the NUL */

/* Fill buf with n random bytes. */
void ids_random(void *buf, size_t n);

/* A random number in [0, 1). */
double ids_fraction(void);

/* A lowercase ULID of the wall-clock instant ms into out[IDS_ULID_SIZE]. */
void ids_ulid(char *out, int64_t ms);

/* A request id as npm's uniqid makes it, never repeated in this process, into
   out[IDS_REQUEST_SIZE]. */
void ids_request(char *out);

/* A message id: prefix, then random hex up to `length` characters, into
   out[IDS_MESSAGE_SIZE]. */
void ids_message(char *out, const char *prefix, size_t length);

/* A pairing code "ABCD-EFGH" into out[IDS_CODE_SIZE]. */
void ids_pairing_code(char *out);

/* A new raw QR value "2@ref,key,identity,secret"; the caller frees it. */
char *ids_qr(void) __attribute__((warn_unused_result));

/* The hidden-user number that always belongs to `phone`, 15 digits and NUL. */
void ids_lid(char out[16], const char *phone);

#endif
