#include <string.h>

#include "lib/qr-int.h"
#include "lib/svg.h"
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
svg_of(const QRcode *qr, const char *title, struct buf *out, struct err *e)
{
	int size = qr->width + 2 * QR_QUIET;
	struct svg s;
	struct buf d;

	buf_init(&d, PATH_MAX_BYTES);
	svg_begin(&s, size, size);
	s.failed = s.failed || !draw(qr, &d);
	svg_attr(&s, "shape-rendering", "crispEdges");
	svg_element(&s, "title", title);
	svg_start(&s, "rect");
	svg_attr(&s, "width", "100%");
	svg_attr(&s, "height", "100%");
	svg_attr(&s, "fill", "#fff");
	svg_end(&s);
	svg_start(&s, "path");
	svg_attr(&s, "fill", "#000");
	svg_attr(&s, "d", buf_str(&d));
	buf_free(&d);
	return svg_finish(&s, out, e);
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
