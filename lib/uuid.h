/*
 * uuid: the form of ids that clients send (RFC 9562). Pure functions, safe
 * from any thread.
 */
#ifndef WAPOOL_UUID_H
#define WAPOOL_UUID_H

#include <stdbool.h>

/* True if s is a UUID in its 36-character form, in either case. NULL is not. */
bool uuid_valid(const char *s);

#endif
