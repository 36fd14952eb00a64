#include <libxml/xmlwriter.h>
#include <stdio.h>
#include <string.h>

#include "lib/qr-int.h"
#include "lib/utf8.h"

/* 177 modules, at worst every second one dark, with some ten bytes each. */
#define PATH_MAX_BYTES (177 * 89 * 16)

/*
 * The dark modules as one path: each run of a row is a rectangle "m dx dy h n v1 h-n
 * z", relative to where the run before began. (x0, y0) of the first is absolute.
 */
static bool
draw(const QRcode *qr, struct buf *d)
{
	int from_x = 0, from_y = 0;

	for (int y = 0; y < qr->width; y++)
		for (int x = 0, n; x < qr->width; x += n) {
			bool dark = qr_dark(qr, x, y);

			n = 1;
			while (x + n < qr->width && qr_dark(qr, x + n, y) == dark)
				n++;
			if (!dark)
				continue;
			buf_printf(d, "m%d %dh%dv1h-%dz", x + QR_QUIET - from_x,
				y + QR_QUIET - from_y, n, n);
			from_x = x + QR_QUIET;
			from_y = y + QR_QUIET;
		}
	return !d->failed;
}

static bool
attribute(xmlTextWriterPtr w, const char *name, const char *value)
{
	return xmlTextWriterWriteAttribute(w, BAD_CAST name, BAD_CAST value) >= 0;
}

static bool
element(xmlTextWriterPtr w, const char *name)
{
	return xmlTextWriterStartElement(w, BAD_CAST name) >= 0;
}

/* libxml2 keeps every failure of a writer to itself, so each result is looked at. */
static bool
write_svg(xmlTextWriterPtr w, int size, const char *title, const char *d)
{
	char box[32];

	snprintf(box, sizeof(box), "0 0 %d %d", size, size);
	return element(w, "svg") &&
		attribute(w, "xmlns", "http://www.w3.org/2000/svg") &&
		attribute(w, "viewBox", box) && attribute(w, "role", "img") &&
		attribute(w, "shape-rendering", "crispEdges") &&
		xmlTextWriterWriteElement(w, BAD_CAST "title", BAD_CAST title) >= 0 &&
		element(w, "rect") && attribute(w, "width", "100%") &&
		attribute(w, "height", "100%") && attribute(w, "fill", "#fff") &&
		xmlTextWriterEndElement(w) >= 0 && element(w, "path") &&
		attribute(w, "fill", "#000") && attribute(w, "d", d) &&
		xmlTextWriterEndDocument(w) >= 0 && xmlTextWriterFlush(w) >= 0;
}

static bool
svg_of(const QRcode *qr, const char *title, struct buf *out, struct err *e)
{
	xmlBufferPtr xml = xmlBufferCreate();
	xmlTextWriterPtr w = xml != NULL ? xmlNewTextWriterMemory(xml, 0) : NULL;
	struct buf d;
	bool ok = false;

	buf_init(&d, PATH_MAX_BYTES);
	if (w == NULL || !draw(qr, &d) ||
		!write_svg(w, qr->width + 2 * QR_QUIET, title, buf_str(&d)))
		err_set(e, ERR_NOMEM, "no memory for a QR code");
	else if ((size_t)xmlBufferLength(xml) > out->max - out->len)
		err_set(e, ERR_TOO_LARGE, "the QR code does not fit");
	else
		ok = buf_add(out, xmlBufferContent(xml),
			     (size_t)xmlBufferLength(xml)) ||
			err_set(e, ERR_NOMEM, "out of memory");
	xmlFreeTextWriter(w); /* NULL is fine */
	if (xml != NULL)
		xmlBufferFree(xml);
	buf_free(&d);
	return ok;
}

/* XML 1.0 section 2.2 has no other control characters than tab and line ends, and not
 * U+FFFE and U+FFFF; libxml2's writer would write them as they are. */
static bool
title_ok(const char *title)
{
	for (const char *p = title; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return utf8_valid(title, strlen(title)) &&
		strstr(title, "\xef\xbf\xbe") == NULL &&
		strstr(title, "\xef\xbf\xbf") == NULL;
}

bool
qr_svg(const char *value, const char *title, struct buf *out, struct err *e)
{
	QRcode *qr;
	bool ok;

	if (title == NULL)
		title = "QR code";
	if (!title_ok(title))
		return err_set(
			e, ERR_INPUT, "the title of a QR code is not plain text");
	qr = qr_matrix(value, e);
	if (qr == NULL)
		return false;
	ok = svg_of(qr, title, out, e);
	QRcode_free(qr);
	return ok;
}
