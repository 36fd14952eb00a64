#include "lib/svg.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/utf8.h"

#define TEXT_MAX (1u << 20)
#define VALUE_MAX 256 /* of a formatted attribute */

/* libxml2 keeps every failure of a writer to itself, so each result is looked at. */
static void
check(struct svg *s, int result)
{
	if (result < 0)
		s->failed = true;
}

/* XML 1.0 section 2.2 has no other control characters than tab and line ends, and not U+FFFE and
 * U+FFFF; libxml2's writer would write them as they are. */
static bool
holds(const char *p, size_t n)
{
	if (n == 0 || *p == 0x7f)
		return false;
	return n == 1 ? (unsigned char)*p >= 0x20 || *p == '\n' || *p == '\t'
		      : n != 3 ||
			(memcmp(p, "\xef\xbf\xbe", 3) != 0 &&
				memcmp(p, "\xef\xbf\xbf", 3) != 0);
}

static void
clean(const char *text, struct buf *out)
{
	size_t left = strlen(text);

	while (left > 0) {
		size_t n = utf8_char(text, left);

		if (holds(text, n))
			buf_add(out, text, n);
		else
			buf_puts(out, "\xef\xbf\xbd");
		n = n > 0 ? n : 1;
		text += n;
		left -= n;
	}
}

void
svg_begin(struct svg *s, int width, int height)
{
	*s = (struct svg){.xml = xmlBufferCreate()};
	if (s->xml != NULL)
		s->writer = xmlNewTextWriterMemory(s->xml, 0);
	s->failed = s->writer == NULL;
	svg_start(s, "svg");
	svg_attr(s, "xmlns", "http://www.w3.org/2000/svg");
	svg_attrf(s, "viewBox", "0 0 %d %d", width, height);
	svg_attr(s, "role", "img");
}

void
svg_start(struct svg *s, const char *name)
{
	if (!s->failed)
		check(s, xmlTextWriterStartElement(s->writer, BAD_CAST name));
}

void
svg_end(struct svg *s)
{
	if (!s->failed)
		check(s, xmlTextWriterEndElement(s->writer));
}

void
svg_attr(struct svg *s, const char *name, const char *value)
{
	struct buf b;

	buf_init(&b, TEXT_MAX);
	clean(value, &b);
	if (b.failed)
		s->failed = true;
	if (!s->failed)
		check(s,
			xmlTextWriterWriteAttribute(
				s->writer, BAD_CAST name, BAD_CAST buf_str(&b)));
	buf_free(&b);
}

void
svg_attrf(struct svg *s, const char *name, const char *fmt, ...)
{
	char value[VALUE_MAX];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(value, sizeof(value), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(value))
		s->failed = true;
	svg_attr(s, name, value);
}

void
svg_text(struct svg *s, const char *text)
{
	struct buf b;

	buf_init(&b, TEXT_MAX);
	clean(text, &b);
	if (b.failed)
		s->failed = true;
	if (!s->failed)
		check(s, xmlTextWriterWriteString(s->writer, BAD_CAST buf_str(&b)));
	buf_free(&b);
}

void
svg_element(struct svg *s, const char *name, const char *text)
{
	svg_start(s, name);
	svg_text(s, text);
	svg_end(s);
}

bool
svg_finish(struct svg *s, struct buf *out, struct err *e)
{
	bool ok = false;

	if (!s->failed)
		check(s, xmlTextWriterEndDocument(s->writer));
	if (!s->failed)
		check(s, xmlTextWriterFlush(s->writer));
	if (s->failed)
		err_set(e, ERR_NOMEM, "no memory for a picture, or it has no bounds");
	else if ((size_t)xmlBufferLength(s->xml) > out->max - out->len)
		err_set(e, ERR_TOO_LARGE, "the picture does not fit");
	else
		ok = buf_add(out, xmlBufferContent(s->xml),
			     (size_t)xmlBufferLength(s->xml)) ||
			err_set(e, ERR_NOMEM, "out of memory");
	xmlFreeTextWriter(s->writer); /* NULL is fine */
	if (s->xml != NULL)
		xmlBufferFree(s->xml);
	*s = (struct svg){.failed = true};
	return ok;
}
