#include "lib/qr.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/qr-int.h"
#include "lib/spent.h"

#define WIDTH_MIN 264
#define DATA_URI "data:image/png;base64,"
/* zlib's. Measured on a pairing reference: 1 takes 0.28 ms (of which libqrencode 0.1)
 * for 1.4 kB, 6 and 9 take 0.38 and 0.54 ms for 1.2 kB, 0 takes 0.20 ms for 14 kB; row
 * filters make it larger. */
#define LEVEL 1
/* zlib's defaults take 200 kB from the system for each picture, and nine page faults; these
 * take 48 kB, for 16 more bytes of picture (zlib.h, deflateInit2). */
#define WINDOW_BITS 12
#define MEM_LEVEL 6

QRcode *
qr_matrix(const char *value, struct err *e)
{
	size_t n = value == NULL ? 0 : strnlen(value, QR_VALUE_MAX + 1);
	QRcode *qr;

	if (n == 0 || n > QR_VALUE_MAX) {
		err_set(e, ERR_INPUT, "a QR code holds 1 to %d bytes", QR_VALUE_MAX);
		return NULL;
	}
	qr = QRcode_encodeData((int)n, (const unsigned char *)value, 0, QR_ECLEVEL_L);
	if (qr == NULL)
		err_set(e, errno == ENOMEM ? ERR_NOMEM : ERR_INTERNAL,
			"libqrencode made no QR code");
	return qr;
}

/* libpng writes into this; why it failed is known here only. */
struct sink {
	struct buf *out;
	struct err *e;
};

static void
on_write(png_structp png, png_bytep bytes, png_size_t n)
{
	struct sink *s = png_get_io_ptr(png);

	if (n > s->out->max - s->out->len)
		err_set(s->e, ERR_TOO_LARGE, "the QR code does not fit");
	else if (buf_add(s->out, bytes, n))
		return;
	else
		err_set(s->e, ERR_NOMEM, "out of memory");
	png_error(png, "write");
}

static void
on_flush(png_structp png)
{
	(void)png;
}

static void
on_error(png_structp png, png_const_charp text)
{
	(void)text;
	png_longjmp(png, 1);
}

static void
on_warning(png_structp png, png_const_charp text)
{
	(void)png;
	(void)text;
}

/* Clears the bits of the dark modules of row y; a set bit is white. */
static void
fill_row(const QRcode *qr, int y, int scale, png_bytep row, size_t size)
{
	memset(row, 0xff, size);
	if (y < 0 || y >= qr->width)
		return;
	for (int x = 0; x < qr->width; x++)
		for (int i = 0; qr_dark(qr, x, y) && i < scale; i++) {
			int bit = (x + QR_QUIET) * scale + i;

			row[bit / 8] &= (png_byte) ~(0x80 >> bit % 8);
		}
}

static void
write_rows(png_structp png, const QRcode *qr, int scale, png_bytep row, size_t size)
{
	for (int y = -QR_QUIET; y < qr->width + QR_QUIET; y++) {
		fill_row(qr, y, scale, row, size);
		for (int i = 0; i < scale; i++)
			png_write_row(png, row);
	}
}

/* The part that libpng may leave by longjmp: it allocates nothing itself. */
static bool
write_png(png_structp png, png_infop info, const QRcode *qr, int scale, png_bytep row)
{
	png_uint_32 width = (png_uint_32)((qr->width + 2 * QR_QUIET) * scale);

	if (setjmp(png_jmpbuf(png)) != 0)
		return false;
	png_set_IHDR(png, info, width, width, 1, PNG_COLOR_TYPE_GRAY,
		PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
		PNG_FILTER_TYPE_DEFAULT);
	png_set_compression_level(png, LEVEL);
	png_set_compression_window_bits(png, WINDOW_BITS);
	png_set_compression_mem_level(png, MEM_LEVEL);
	png_set_filter(png, PNG_FILTER_TYPE_BASE, PNG_FILTER_NONE);
	png_write_info(png, info);
	write_rows(png, qr, scale, row, (width + 7) / 8);
	png_write_end(png, NULL);
	return true;
}

static bool
png_of(const QRcode *qr, int scale, struct buf *out, struct err *e)
{
	struct sink s = {out, e};
	png_structp png = png_create_write_struct(
		PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
	png_infop info = png != NULL ? png_create_info_struct(png) : NULL;
	png_bytep row =
		malloc(((size_t)(qr->width + 2 * QR_QUIET) * (size_t)scale + 7) / 8);
	bool ok = false;

	if (info != NULL && row != NULL) {
		png_set_write_fn(png, &s, on_write, on_flush);
		ok = write_png(png, info, qr, scale, row) ||
			err_set(e, ERR_INTERNAL, "libpng made no image");
	} else {
		err_set(e, ERR_NOMEM, "out of memory");
	}
	free(row);
	png_destroy_write_struct(&png, &info);
	return ok;
}

bool
qr_png(const char *value, int scale_px, struct buf *out, struct err *e)
{
	QRcode *qr;
	bool ok;

	if (scale_px < 0 || scale_px > QR_SCALE_MAX)
		return err_set(
			e, ERR_INPUT, "a module has 1 to %d pixels", QR_SCALE_MAX);
	qr = qr_matrix(value, e);
	if (qr == NULL)
		return false;
	if (scale_px == 0) {
		int modules = qr->width + 2 * QR_QUIET;

		scale_px = (WIDTH_MIN + modules - 1) / modules;
	}
	ok = png_of(qr, scale_px, out, e);
	QRcode_free(qr);
	return ok;
}

bool
qr_data_uri(const char *value, struct buf *out, struct err *e)
{
	int64_t began = clock_us();
	struct buf png;
	bool ok;

	buf_init(&png, out->max);
	ok = qr_png(value, 0, &png, e);
	if (ok && strlen(DATA_URI) + (png.len + 2) / 3 * 4 > out->max - out->len)
		ok = err_set(e, ERR_TOO_LARGE, "the QR code does not fit");
	else if (ok)
		ok = (buf_puts(out, DATA_URI) && buf_base64(out, png.data, png.len)) ||
			err_set(e, ERR_NOMEM, "out of memory");
	buf_free(&png);
	spent_since(SPENT_QR, began);
	return ok;
}
