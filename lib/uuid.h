/*
 * uuid: ids as clients send them and as we make them (RFC 9562). Safe from any thread.
 */
#ifndef WAPOOL_UUID_H
#define WAPOOL_UUID_H

#include <stdbool.h>

/* True if s is a UUID in its 36-character form, in either case. NULL is not. */
bool uuid_valid(const char *s);

/* A new random one (version 4), in lower case; needs sodium_init(). */
void uuid_make(char out[37]);

#endif
