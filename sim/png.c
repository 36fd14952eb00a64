#include "png.h"

#include <qrencode.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define QUIET 4  /* squares of white on each side */
#define SIDE 512 /* pixels, as GOWA draws it */
#define ROW (1 + (SIDE + 7) / 8)
#define RAW (ROW * SIDE)

static uint32_t
crc(const unsigned char *data, size_t n)
{
	uint32_t c = 0xffffffff;
	int bit;

	for (; n > 0; n--, data++) {
		c ^= *data;
		for (bit = 0; bit < 8; bit++)
			c = c & 1 ? 0xedb88320 ^ (c >> 1) : c >> 1;
	}
	return c ^ 0xffffffff;
}

static void
add_be32(struct text *t, uint32_t v)
{
	unsigned char b[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16),
		(unsigned char)(v >> 8), (unsigned char)v};

	text_addn(t, b, sizeof b);
}

static void
add_chunk(struct text *t, const char *type, const struct text *data)
{
	size_t start;

	add_be32(t, (uint32_t)data->len);
	start = t->len;
	text_add(t, type);
	text_addn(t, data->s, data->len);
	add_be32(t, crc((const unsigned char *)t->s + start, t->len - start));
}

/* Whether the pixel at (x, y) is dark: squares as large as fit, in the middle. */
static int
dark(const QRcode *qr, int x, int y)
{
	int scale = SIDE / (qr->width + 2 * QUIET);
	int margin = (SIDE - qr->width * scale) / 2;
	int column = (x - margin) / scale, row = (y - margin) / scale;

	return x >= margin && y >= margin && column < qr->width && row < qr->width &&
		(qr->data[row * qr->width + column] & 1);
}

/* The pixels as one stored block of a zlib stream. */
static void
add_pixels(struct text *t, const char *value)
{
	static const unsigned char zlib[2] = {0x78, 0x01};
	unsigned char raw[RAW], head[5];
	QRcode *qr = QRcode_encodeData(
		(int)strlen(value), (const unsigned char *)value, 0, QR_ECLEVEL_M);
	uint32_t a = 1, b = 0;
	int x, y, i;

	if (qr == NULL)
		abort();
	memset(raw, 0, sizeof raw);
	for (y = 0; y < SIDE; y++)
		for (x = 0; x < SIDE; x++)
			if (!dark(qr, x, y))
				raw[y * ROW + 1 + x / 8] |=
					(unsigned char)(0x80 >> (x % 8));
	QRcode_free(qr);
	for (i = 0; i < RAW; i++) {
		a = (a + raw[i]) % 65521;
		b = (b + a) % 65521;
	}
	head[0] = 1;
	head[1] = RAW & 0xff;
	head[2] = RAW >> 8;
	head[3] = (unsigned char)~head[1];
	head[4] = (unsigned char)~head[2];
	text_addn(t, zlib, sizeof zlib);
	text_addn(t, head, sizeof head);
	text_addn(t, raw, sizeof raw);
	add_be32(t, b << 16 | a);
}

void
png_draw(const char *value, struct text *out)
{
	static const unsigned char magic[8] = {
		0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
	static const unsigned char format[5] = {1, 0, 0, 0, 0}; /* 1 bit, grey */
	struct text part = {0};

	text_addn(out, magic, sizeof magic);
	add_be32(&part, SIDE);
	add_be32(&part, SIDE);
	text_addn(&part, format, sizeof format);
	add_chunk(out, "IHDR", &part);
	part.len = 0;
	add_pixels(&part, value);
	add_chunk(out, "IDAT", &part);
	part.len = 0;
	add_chunk(out, "IEND", &part);
	text_free(&part);
}
