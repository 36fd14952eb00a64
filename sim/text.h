/*
 * text: a growable string, used for every body that is written.
 *
 * A zeroed struct is an empty text. The content is always NUL-terminated once
 * something was added; len does not count the NUL. Not thread-safe.
 */
#ifndef SIM_TEXT_H
#define SIM_TEXT_H

#include <stddef.h>

struct text {
	char *s;
	size_t len;
	size_t cap;
};

/* Append n bytes. */
void text_addn(struct text *t, const void *data, size_t n);

/* Append a string. */
void text_add(struct text *t, const char *s);

/* Append printf-style. */
void text_addf(struct text *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Append s as a JSON string with its quotes; NULL becomes null. */
void text_json(struct text *t, const char *s);

/* Hand over the content (never NULL) and leave t empty; the caller frees it. */
char *text_steal(struct text *t) __attribute__((warn_unused_result));

/* Release the content; t is empty and usable again. */
void text_free(struct text *t);

#endif
