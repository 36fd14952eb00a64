/*
 * utf8: strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above
 * U+10FFFF. Pure functions, safe from any thread.
 */
#ifndef WAPOOL_UTF8_H
#define WAPOOL_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The length (1 to 4) of the valid character that s begins with, of which n bytes
 * may be read; 0 if there is none. */
size_t utf8_char(const char *s, size_t n);

/* True if all n bytes are valid UTF-8. A NUL is valid UTF-8 (U+0000). */
bool utf8_valid(const char *s, size_t n);

/* The number of characters of a valid text. */
size_t utf8_length(const char *s);

/* Copies a text into to (size bytes with its NUL, at least 1), cut between two
 * characters if it is too long, and before the first byte that is not valid: half a
 * character would make PostgreSQL and JSON refuse the whole. NULL is copied as "". */
void utf8_copy(char *to, size_t size, const char *from);

/* How many columns of a terminal n bytes of valid UTF-8 take: 2 for what East Asian scripts and emoji
 * write wide, 0 for marks that join the character before, 1 for all else. */
size_t utf8_width(const char *s, size_t n);

#endif
