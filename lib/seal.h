/*
 * seal: secrets as they lie in the database (keys of gateways, secrets of webhooks).
 *
 * XChaCha20-Poly1305 with a random 192-bit nonce (libsodium's
 * crypto_aead_xchacha20poly1305_ietf; draft-irtf-cfrg-xchacha-03). The associated data
 * "table|id|column|v<version>" ties a sealed text to its place: copied into another row
 * or column it does not open. The text itself is
 *
 *   sealed:v<version>:<base64(nonce || ciphertext || tag)>
 *
 * and the key of each version stands in a file that is not in the database.
 *
 * Thread-safety: a loaded key ring is read-only, any threads may share it; all
 * functions need sodium_init() to have been called.
 */
#ifndef WAPOOL_SEAL_H
#define WAPOOL_SEAL_H

#include <stdbool.h>

#include "lib/buf.h"
#include "lib/err.h"

#define SEAL_VERSIONS_MAX 64 /* keys in one file */

/* The keys by version, in memory of their own, locked if the system lets us,
 * wiped when freed. */
struct seal_key;

/*
 * Reads a key file: one key per line, `<version> <64 hex digits>` with version 1 to
 * 1000000 in any order, or one line of 64 hex digits alone (version 1); empty lines and
 * lines that begin with '#' do not count. The highest version seals, all open. NULL and
 * *e: ERR_CONFIG (cannot be read, no regular file, open to others (mode & 007), a bad
 * line, a version twice, no key or more than SEAL_VERSIONS_MAX; the text names path and
 * line, never what stands there), ERR_NOMEM. Free with seal_key_free.
 */
struct seal_key *
seal_key_load(const char *path, struct err *e) __attribute__((warn_unused_result));

/* Wipes and frees. NULL is allowed. */
void seal_key_free(struct seal_key *k);

/* The version that seal() uses: what is older is due to be sealed anew. */
int seal_key_current(const struct seal_key *k);

/*
 * Makes a new key file at path with one random key, version 1, mode 0600, its content
 * synced to disk. ERR_CONFLICT if path exists, ERR_CONFIG if it cannot be written
 * (nothing is left behind then).
 */
bool seal_key_create(const char *path, struct err *e);

/*
 * Adds a new random key to the key file at path, one version above its highest, which is put
 * into *version. The file is replaced at once, whole, with its mode and owner: nobody reads
 * half of it, and a crash leaves the old or the new one. Errors as for seal_key_load;
 * ERR_CONFIG also if it cannot be written or has no room.
 */
bool seal_key_add(const char *path, int *version, struct err *e);

/*
 * Appends plain, sealed for that place, to out. plain may be "". False, out
 * unchanged and *e: ERR_INPUT if plain or a part of the place is NULL, or a part is
 * empty or holds a '|', or the parts exceed 500 bytes; ERR_TOO_LARGE if out cannot
 * hold it; ERR_NOMEM.
 */
bool seal(const struct seal_key *k, const char *table, const char *id,
	const char *column, const char *plain, struct buf *out, struct err *e);

/*
 * Opens a sealed text from that place and appends the plain text to out, whose max the
 * caller chose. Give it an empty buf (growing one leaves copies in freed memory) and
 * free it with seal_wipe. False, out unchanged and *e: ERR_INPUT (not a sealed text;
 * place as for seal), ERR_CONFIG (no key of that version), ERR_UNAUTHORIZED (altered,
 * or from another place), ERR_TOO_LARGE (longer than out may hold), ERR_NOMEM.
 */
bool unseal(const struct seal_key *k, const char *table, const char *id,
	const char *column, const char *sealed, struct buf *out, struct err *e);

/* True if text has the form of a sealed text; says nothing about whether it opens.
 * NULL gives false. */
bool seal_is_sealed(const char *text);

/* The version a sealed text was sealed with, 0 if it is no sealed text or NULL. */
int seal_version(const char *text);

/* Overwrites all the memory of b, then frees it as buf_free does. NULL is allowed. */
void seal_wipe(struct buf *b);

#endif
