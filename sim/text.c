#include "text.h"

#include "mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
reserve(struct text *t, size_t more)
{
	size_t cap = t->cap == 0 ? 256 : t->cap;

	while (cap - t->len < more + 1)
		cap *= 2;
	if (cap != t->cap) {
		t->s = mem_grow(t->s, cap);
		t->cap = cap;
	}
}

void
text_addn(struct text *t, const void *data, size_t n)
{
	reserve(t, n);
	if (n > 0)
		memcpy(t->s + t->len, data, n);
	t->len += n;
	t->s[t->len] = '\0';
}

void
text_add(struct text *t, const char *s)
{
	text_addn(t, s, strlen(s));
}

void
text_addf(struct text *t, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (n < 0)
		return;
	reserve(t, (size_t)n);
	va_start(ap, format);
	vsnprintf(t->s + t->len, (size_t)n + 1, format, ap);
	va_end(ap);
	t->len += (size_t)n;
}

/* The two-character escape of c, or NULL if it has none. */
static const char *
short_escape(unsigned char c)
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	default:
		return NULL;
	}
}

void
text_json(struct text *t, const char *s)
{
	const char *escape;
	size_t plain;

	if (s == NULL) {
		text_add(t, "null");
		return;
	}
	text_add(t, "\"");
	while (*s != '\0') {
		for (plain = 0; (unsigned char)s[plain] >= 0x20 && s[plain] != '"' &&
			s[plain] != '\\';
			plain++)
			;
		text_addn(t, s, plain);
		s += plain;
		if (*s == '\0')
			break;
		if ((escape = short_escape((unsigned char)*s)) != NULL)
			text_add(t, escape);
		else
			text_addf(t, "\\u%04x", (unsigned char)*s);
		s++;
	}
	text_add(t, "\"");
}

char *
text_steal(struct text *t)
{
	char *s;

	reserve(t, 0);
	t->s[t->len] = '\0';
	s = t->s;
	memset(t, 0, sizeof *t);
	return s;
}

void
text_free(struct text *t)
{
	free(t->s);
	memset(t, 0, sizeof *t);
}
