#include "png.h"

#include <openssl/sha.h>
#include <stdint.h>
#include <string.h>

#define MODULES 29             /* squares in a row, as a small QR has */
#define SCALE 6                /* pixels of a square */
#define SIDE (MODULES * SCALE) /* 174 pixels */
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

/* Whether the square at (x, y) is dark: corners as a QR has, the rest from the hash. */
static int
dark(const unsigned char *hash, int x, int y)
{
	int fx = x < MODULES / 2 ? x : MODULES - 1 - x;
	int fy = y < MODULES / 2 ? y : MODULES - 1 - y;
	int bit = (x * 31 + y * 17 + x * y) % (SHA512_DIGEST_LENGTH * 8);

	if (fx < 8 && fy < 8 && !(x > MODULES / 2 && y > MODULES / 2))
		return fx < 7 && fy < 7 &&
			(fx == 0 || fy == 0 || fx == 6 || fy == 6 ||
				(fx > 1 && fx < 5 && fy > 1 && fy < 5));
	return (hash[bit / 8] >> (bit % 8)) & 1;
}

/* The pixels as one stored block of a zlib stream. */
static void
add_pixels(struct text *t, const char *value)
{
	static const unsigned char zlib[2] = {0x78, 0x01};
	unsigned char raw[RAW], hash[SHA512_DIGEST_LENGTH], head[5];
	uint32_t a = 1, b = 0;
	int x, y, i;

	SHA512((const unsigned char *)value, strlen(value), hash);
	memset(raw, 0, sizeof raw);
	for (y = 0; y < SIDE; y++)
		for (x = 0; x < SIDE; x++)
			if (!dark(hash, x / SCALE, y / SCALE))
				raw[y * ROW + 1 + x / 8] |=
					(unsigned char)(0x80 >> (x % 8));
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
