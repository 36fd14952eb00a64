/*
 * buf: the one growable byte buffer, with a maximum that is set at birth.
 *
 * Response bodies, request bodies, answers of gateways, log lines and SVG all
 * live in one. Invariants: data[len] is NUL whenever data is not NULL; len <= max.
 * After a failed append the buffer is unchanged and `failed` stays set, so a
 * sequence of appends may be checked once at its end (as curl's dynbuf allows).
 * Thread-safety: a buf belongs to one thread at a time.
 */
#ifndef WAPOOL_BUF_H
#define WAPOOL_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data;  /* NUL-terminated, or NULL while nothing was appended */
	size_t len;  /* bytes in use, without the NUL */
	size_t cap;  /* bytes allocated */
	size_t max;  /* bytes it may ever hold, without the NUL */
	bool failed; /* an append did not fit or memory ran out */
};

/* An empty buffer that holds at most max bytes. Allocates nothing. */
void buf_init(struct buf *b, size_t max);

/* Frees the bytes; the buffer is then as after buf_init. NULL is allowed. */
void buf_free(struct buf *b);

/* Empties the buffer but keeps its memory, and clears `failed`. */
void buf_reset(struct buf *b);

/* Append n bytes, a string, one byte, or formatted text. False (and b->failed
 * set) if the result would exceed max or memory ran out. */
bool buf_add(struct buf *b, const void *bytes, size_t n);
bool buf_puts(struct buf *b, const char *s);
bool buf_putc(struct buf *b, char c);
bool
buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Appends s as the inside of a JSON string (no quotes added). Bytes that are not
 * valid UTF-8 become U+FFFD, so that the result is always valid JSON. */
bool buf_json(struct buf *b, const char *s, size_t n);

/* Appends n bytes in standard, padded base64 (RFC 4648 section 4). */
bool buf_base64(struct buf *b, const void *bytes, size_t n);

/* The content as a string, "" while nothing was appended. Owned by the buffer. */
const char *buf_str(const struct buf *b);

/* Hands the content to the caller, who frees it with free(); the buffer is then
 * empty. NULL if an append failed or memory ran out. */
char *buf_steal(struct buf *b) __attribute__((warn_unused_result));

#endif
