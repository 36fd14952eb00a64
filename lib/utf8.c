#include "lib/utf8.h"

#include <string.h>

static bool
is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* RFC 3629 section 4: the second byte's range depends on the first. */
static bool
second_ok(unsigned char first, unsigned char c)
{
	switch (first) {
	case 0xe0:
		return c >= 0xa0 && c <= 0xbf;
	case 0xed:
		return c >= 0x80 && c <= 0x9f;
	case 0xf0:
		return c >= 0x90 && c <= 0xbf;
	case 0xf4:
		return c >= 0x80 && c <= 0x8f;
	default:
		return is_tail(c);
	}
}

size_t
utf8_char(const char *s, size_t n)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t len;

	if (n == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (n < len || !second_ok(p[0], p[1]))
		return 0;
	for (size_t i = 2; i < len; i++)
		if (!is_tail(p[i]))
			return 0;
	return len;
}

bool
utf8_valid(const char *s, size_t n)
{
	size_t i = 0, len;

	while (i < n) {
		len = utf8_char(s + i, n - i);
		if (len == 0)
			return false;
		i += len;
	}
	return true;
}

void
utf8_copy(char *to, size_t size, const char *from)
{
	size_t n = 0, len = from != NULL ? strlen(from) : 0, c;

	while (n < len && (c = utf8_char(from + n, len - n)) > 0 && n + c < size)
		n += c;
	if (n > 0)
		memcpy(to, from, n);
	to[n] = '\0';
}

/* The code point of the valid character of len bytes. */
static unsigned long
code_of(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned long c = len == 1 ? p[0] : p[0] & (0x7fu >> len);

	for (size_t i = 1; i < len; i++)
		c = c << 6 | (p[i] & 0x3fu);
	return c;
}

/* Unicode's combining marks and joiners, and the blocks of UAX #11 that are wide; in order. */
static const struct {
	unsigned long from, to;
	size_t width;
} widths[] = {
	{0x300, 0x36f, 0},
	{0x1100, 0x115f, 2},
	{0x1ab0, 0x1aff, 0},
	{0x200b, 0x200f, 0},
	{0x20d0, 0x20ff, 0},
	{0x2e80, 0x303e, 2},
	{0x3041, 0xa4cf, 2},
	{0xac00, 0xd7a3, 2},
	{0xf900, 0xfaff, 2},
	{0xfe00, 0xfe0f, 0},
	{0xfe20, 0xfe2f, 0},
	{0xfe30, 0xfe6f, 2},
	{0xff00, 0xff60, 2},
	{0xffe0, 0xffe6, 2},
	{0x1f300, 0x1f64f, 2},
	{0x1f680, 0x1f6ff, 2},
	{0x1f900, 0x1f9ff, 2},
	{0x20000, 0x3fffd, 2},
};

size_t
utf8_width(const char *s, size_t n)
{
	size_t all = 0, len;

	for (; n > 0; s += len, n -= len) {
		unsigned long c;
		size_t width = 1;

		len = utf8_char(s, n);
		if (len == 0)
			len = 1;
		c = code_of(s, len);
		for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
			if (c >= widths[i].from && c <= widths[i].to)
				width = widths[i].width;
		all += width;
	}
	return all;
}

size_t
utf8_length(const char *s)
{
	size_t n = 0;

	/* each character has one byte that does not continue another */
	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}
