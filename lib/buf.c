#include "lib/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/utf8.h"

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void
buf_free(struct buf *b)
{
	if (b == NULL)
		return;
	free(b->data);
	buf_init(b, b->max);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data != NULL)
		b->data[0] = '\0';
}

static bool
buf_fail(struct buf *b)
{
	b->failed = true;
	return false;
}

/* Makes room for n more bytes and the NUL. */
static bool
buf_grow(struct buf *b, size_t n)
{
	size_t cap = b->cap < 128 ? 128 : b->cap;
	char *p;

	if (b->failed || n > b->max - b->len)
		return buf_fail(b);
	if (b->len + n < b->cap)
		return true;
	while (cap <= b->len + n)
		cap = cap > SIZE_MAX / 2 ? b->len + n + 1 : cap * 2;
	p = realloc(b->data, cap);
	if (p == NULL)
		return buf_fail(b);
	b->data = p;
	b->cap = cap;
	return true;
}

bool
buf_add(struct buf *b, const void *bytes, size_t n)
{
	if (!buf_grow(b, n))
		return false;
	if (n > 0)
		memcpy(b->data + b->len, bytes, n);
	b->len += n;
	b->data[b->len] = '\0';
	return true;
}

bool
buf_puts(struct buf *b, const char *s)
{
	return buf_add(b, s, strlen(s));
}

bool
buf_putc(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

bool
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0 && buf_grow(b, (size_t)n)) {
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	} else {
		buf_fail(b);
	}
	va_end(again);
	return !b->failed;
}

static bool
json_escape(struct buf *b, unsigned char c)
{
	switch (c) {
	case '"':
		return buf_puts(b, "\\\"");
	case '\\':
		return buf_puts(b, "\\\\");
	case '\n':
		return buf_puts(b, "\\n");
	case '\r':
		return buf_puts(b, "\\r");
	case '\t':
		return buf_puts(b, "\\t");
	default:
		return buf_printf(b, "\\u%04x", c);
	}
}

bool
buf_json(struct buf *b, const char *s, size_t n)
{
	size_t i = 0;

	while (i < n) {
		unsigned char c = (unsigned char)s[i];
		size_t len = utf8_char(s + i, n - i);

		if (len == 0) {
			buf_puts(b, "\xef\xbf\xbd"); /* U+FFFD */
			len = 1;
		} else if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f) {
			json_escape(b, c);
		} else {
			buf_add(b, s + i, len);
		}
		i += len;
	}
	return !b->failed;
}

bool
buf_base64(struct buf *b, const void *bytes, size_t n)
{
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = bytes;

	if (n > SIZE_MAX / 2 || !buf_grow(b, (n + 2) / 3 * 4))
		return buf_fail(b);
	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v = (uint32_t)p[i] << 16;

		v |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
		v |= left > 2 ? p[i + 2] : 0;
		b->data[b->len++] = set[v >> 18];
		b->data[b->len++] = set[v >> 12 & 63];
		b->data[b->len++] = left > 1 ? set[v >> 6 & 63] : '=';
		b->data[b->len++] = left > 2 ? set[v & 63] : '=';
	}
	b->data[b->len] = '\0';
	return true;
}

const char *
buf_str(const struct buf *b)
{
	return b->data != NULL ? b->data : "";
}

char *
buf_steal(struct buf *b)
{
	char *p = NULL;

	if (!b->failed && buf_grow(b, 0)) {
		p = b->data;
		p[b->len] = '\0';
		b->data = NULL;
	}
	buf_free(b);
	return p;
}
