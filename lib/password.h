/*
 * password: stored as argon2id (RFC 9106), never as anything else.
 *
 * Parameters: m = 19456 KiB, t = 2, p = 1, the lighter of the equivalent choices in
 * OWASP's Password Storage Cheat Sheet ("minimum configuration of 19 MiB of memory, an
 * iteration count of 2, and 1 degree of parallelism"). libsodium's own
 * MEMLIMIT_INTERACTIVE (64 MiB) would let a few concurrent logins exhaust a small
 * server. The hash text carries its parameters, so they may be raised later.
 *
 * Each hash takes 19 MiB and some ten milliseconds of a core: limit the rate of logins
 * before calling. Thread-safety: all functions, once sodium_init() was called.
 */
#ifndef WAPOOL_PASSWORD_H
#define WAPOOL_PASSWORD_H

#include <stdbool.h>

#include "lib/err.h"

#define PASSWORD_MIN 8         /* bytes; NIST SP 800-63B section 5.1.1.2 */
#define PASSWORD_MAX 128       /* bytes */
#define PASSWORD_HASH_SIZE 128 /* bytes of a hash text with its NUL */

/*
 * True if pw may become a password: PASSWORD_MIN to PASSWORD_MAX bytes of valid
 * UTF-8 without control characters (C0, DEL, C1). Otherwise false and *e is
 * ERR_INPUT with a text meant for the person who chose it; it never repeats the
 * password. NULL is too short.
 */
bool password_valid(const char *pw, struct err *e);

/*
 * Writes the hash of pw with a new random salt into out, "$argon2id$v=19$..."
 * with NUL. Does not check password_valid. False, out "" and *e: ERR_INPUT if pw
 * is NULL, ERR_NOMEM.
 */
bool password_hash(const char *pw, char out[PASSWORD_HASH_SIZE], struct err *e);

/*
 * True if hash was made from pw. A hash that is NULL ("no such user") or malformed, or
 * a pw that is NULL, gives false but costs one hash all the same, so that the time
 * tells nobody who exists. Also false if memory runs out.
 */
bool password_verify(const char *hash, const char *pw);

#endif
