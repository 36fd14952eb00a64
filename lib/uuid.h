/*
 * uuid: ids (RFC 9562): the form of those that clients send, and new ones. Safe from any
 * thread.
 */
#ifndef WAPOOL_UUID_H
#define WAPOOL_UUID_H

#include <stdbool.h>

/* True if s is a UUID in its 36-character form, in either case. NULL is not. */
bool uuid_valid(const char *s);

/* A random one (version 4). Needs sodium_init. */
void uuid_new(char out[37]);

#endif
