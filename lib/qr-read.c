/*
 * The numbers are those of ISO/IEC 18004: sections 6.3 (where what lies), 7.4 (segments),
 * 7.5 (blocks, tables 9), 7.8 (masks), 7.9 (format information).
 */
#include "lib/qr-read.h"

#include <png.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define SIDE_MAX 177   /* modules of version 40 */
#define WORDS_MAX 3706 /* code words of version 40 */
#define FORMAT_MASK 0x5412
#define FIELD 0x11d /* x^8 + x^4 + x^3 + x^2 + 1 */

/* Table 9, level M, by version: error correction words of each block, and blocks. */
static const uint8_t check_words[] = {0, 10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22,
	22, 24, 24, 28, 28, 26, 26, 26, 26, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	28, 28, 28, 28, 28, 28, 28, 28};
static const uint8_t blocks_of[] = {0, 1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10,
	11, 13, 14, 16, 17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35, 37, 38, 40,
	43, 45, 47, 49};

struct code {
	int side, version, mask;
	uint8_t dark[SIDE_MAX][SIDE_MAX]; /* [y][x] */
	uint8_t words[WORDS_MAX];         /* as they lie in the picture */
	int nwords;
	uint8_t data[WORDS_MAX]; /* in the order of their meaning, checks left out */
	int ndata;
};

struct picture {
	int width, height;
	uint8_t *grey;
};

/* Where a picture's code lies: from (x, y), side pixels in both directions. */
struct frame {
	int x, y, side;
};

static bool
is_dark(const struct picture *p, int x, int y)
{
	return p->grey[y * p->width + x] < 128;
}

static bool
load(const void *png, size_t n, struct picture *p, struct err *e)
{
	png_image image = {.version = PNG_IMAGE_VERSION};
	const png_color white = {255, 255, 255};
	bool ok = false;

	if (!png_image_begin_read_from_memory(&image, png, n)) {
		err_set(e, ERR_PROTOCOL, "the QR code is no PNG");
		goto out;
	}
	if (image.width > QR_PICTURE_SIDE_MAX || image.height > QR_PICTURE_SIDE_MAX) {
		err_set(e, ERR_TOO_LARGE, "the picture of the QR code is too large");
		goto out;
	}
	image.format = PNG_FORMAT_GRAY;
	p->width = (int)image.width;
	p->height = (int)image.height;
	p->grey = malloc(PNG_IMAGE_SIZE(image));
	if (p->grey == NULL)
		err_set(e, ERR_NOMEM, "out of memory");
	else if (!png_image_finish_read(&image, &white, p->grey, 0, NULL))
		err_set(e, ERR_PROTOCOL, "the QR code is no PNG");
	else
		ok = true;
out:
	png_image_free(&image);
	return ok;
}

/* What is dark is the code; its three corner patterns touch all four edges. */
static bool
find_frame(const struct picture *p, struct frame *f)
{
	int x0 = p->width, y0 = p->height, x1 = -1, y1 = -1;

	for (int y = 0; y < p->height; y++)
		for (int x = 0; x < p->width; x++) {
			if (!is_dark(p, x, y))
				continue;
			x0 = x < x0 ? x : x0;
			x1 = x > x1 ? x : x1;
			y0 = y < y0 ? y : y0;
			y1 = y;
		}
	*f = (struct frame){x0, y0, x1 - x0 + 1};
	return x1 >= 0 && f->side == y1 - y0 + 1;
}

/* The corner pattern is seven modules wide; the picture's scale follows from that. */
static bool
find_side(const struct picture *p, const struct frame *f, struct code *c)
{
	int run = 0;

	while (run < f->side && is_dark(p, f->x + run, f->y))
		run++;
	if (run < 7)
		return false;
	c->side = (f->side * 7 + run / 2) / run;
	c->version = (c->side - 17) / 4;
	return c->side >= 21 && c->side <= SIDE_MAX && c->side % 4 == 1;
}

static bool
sample(const struct picture *p, struct code *c)
{
	struct frame f;

	if (!find_frame(p, &f) || !find_side(p, &f, c))
		return false;
	for (int y = 0; y < c->side; y++)
		for (int x = 0; x < c->side; x++)
			c->dark[y][x] =
				is_dark(p, f.x + (2 * x + 1) * f.side / (2 * c->side),
					f.y + (2 * y + 1) * f.side / (2 * c->side));
	return true;
}

/* The format information says level and mask; of level M there are eight words. */
static bool
read_format(struct code *c)
{
	static const int8_t at[15][2] = {{8, 0}, {8, 1}, {8, 2}, {8, 3}, {8, 4}, {8, 5},
		{8, 7}, {8, 8}, {7, 8}, {5, 8}, {4, 8}, {3, 8}, {2, 8}, {1, 8}, {0, 8}};
	unsigned found = 0;

	for (int i = 0; i < 15; i++)
		found |= (unsigned)c->dark[at[i][1]][at[i][0]] << i;
	for (c->mask = 0; c->mask < 8; c->mask++) {
		unsigned rest = (unsigned)c->mask;

		for (int i = 0; i < 10; i++)
			rest = rest << 1 ^ (rest >> 9) * 0x537;
		if (found == (((unsigned)c->mask << 10 | rest) ^ FORMAT_MASK))
			return true;
	}
	return false;
}

/* The i-th coordinate of the alignment patterns, of n. */
static int
alignment(int version, int i, int n)
{
	int step = version == 32 ? 26 : (version * 4 + n * 2 + 1) / (n * 2 - 2) * 2;

	return i == 0 ? 6 : version * 4 + 10 - (n - 1 - i) * step;
}

static bool
is_in_alignment(int version, int side, int x, int y)
{
	int n = version / 7 + 2;

	if (version == 1)
		return false;
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++) {
			int cx = alignment(version, i, n),
			    cy = alignment(version, j, n);
			bool corner = (cx == 6 && (cy == 6 || cy == side - 7)) ||
				(cy == 6 && cx == side - 7);

			if (!corner && abs(x - cx) <= 2 && abs(y - cy) <= 2)
				return true;
		}
	return false;
}

/* True for the modules that hold no code words. */
static bool
is_function(const struct code *c, int x, int y)
{
	int far = c->side - 8;

	if ((x < 9 && y < 9) || (x >= far && y < 9) || (x < 9 && y >= far))
		return true;
	if (x == 6 || y == 6)
		return true;
	if (c->version >= 7 &&
		((x >= far - 3 && x < far && y < 6) ||
			(y >= far - 3 && y < far && x < 6)))
		return true;
	return is_in_alignment(c->version, c->side, x, y);
}

static bool
is_inverted(int mask, int x, int y)
{
	switch (mask) {
	case 0:
		return (x + y) % 2 == 0;
	case 1:
		return y % 2 == 0;
	case 2:
		return x % 3 == 0;
	case 3:
		return (x + y) % 3 == 0;
	case 4:
		return (x / 3 + y / 2) % 2 == 0;
	case 5:
		return x * y % 2 + x * y % 3 == 0;
	case 6:
		return (x * y % 2 + x * y % 3) % 2 == 0;
	default:
		return ((x + y) % 2 + x * y % 3) % 2 == 0;
	}
}

/* In pairs of columns from the right, up and down in turn, round the timing column. */
static void
read_words(struct code *c)
{
	int bit = 0;

	for (int right = c->side - 1; right >= 1; right -= 2) {
		right = right == 6 ? 5 : right;
		for (int i = 0; i < 2 * c->side; i++) {
			bool up = ((right + 1) & 2) == 0;
			int x = right - i % 2, y = up ? c->side - 1 - i / 2 : i / 2;

			if (is_function(c, x, y) || bit / 8 >= WORDS_MAX)
				continue;
			if (bit % 8 == 0)
				c->words[bit / 8] = 0;
			if (c->dark[y][x] != is_inverted(c->mask, x, y))
				c->words[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
			bit++;
		}
	}
	c->nwords = bit / 8;
}

static uint8_t
multiply(uint8_t a, uint8_t b)
{
	unsigned product = 0;

	for (int i = 7; i >= 0; i--) {
		product = product << 1 ^ (product >> 7) * FIELD;
		product ^= (unsigned)(b >> i & 1) * a;
	}
	return (uint8_t)product;
}

/* True if the block is a multiple of the generator: nothing is damaged. */
static bool
checks(const uint8_t *block, int n, int check)
{
	uint8_t root = 1;

	for (int i = 0; i < check; i++) {
		uint8_t sum = 0;

		for (int j = 0; j < n; j++)
			sum = multiply(sum, root) ^ block[j];
		if (sum != 0)
			return false;
		root = multiply(root, 2);
	}
	return true;
}

/* The words of all blocks lie interleaved: data first, where the later blocks may have
 * one more, then checks. */
static bool
read_blocks(struct code *c)
{
	int n = blocks_of[c->version], check = check_words[c->version];
	int shorter = n - c->nwords % n, length = c->nwords / n - check;
	uint8_t block[256];

	for (int b = 0; b < n; b++) {
		int more = b >= shorter ? 1 : 0, k = 0;

		for (int i = 0; i < length; i++)
			block[k++] = c->words[i * n + b];
		if (more)
			block[k++] = c->words[length * n + b - shorter];
		for (int i = 0; i < check; i++)
			block[k++] = c->words[c->nwords - (check - i) * n + b];
		if (!checks(block, k, check))
			return false;
		memcpy(c->data + c->ndata, block, (size_t)(length + more));
		c->ndata += length + more;
	}
	return true;
}

/* The next n bits, -1 past the end. */
static int
bits(const struct code *c, int *at, int n)
{
	int value = 0;

	if (*at + n > c->ndata * 8)
		return -1;
	for (; n > 0; n--, (*at)++)
		value = value << 1 | (c->data[*at / 8] >> (7 - *at % 8) & 1);
	return value;
}

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

/* n characters of `base` symbols, `group` in one number of `width` bits; the last group
 * may be shorter. */
static bool
read_group(const struct code *c, int *at, int n, int group, struct buf *out)
{
	static const int width[4][4] = {[2] = {0, 6, 11}, [3] = {0, 4, 7, 10}};
	int base = group == 3 ? 10 : 45;

	for (int k; n > 0; n -= k) {
		char text[4] = "";
		int value;

		k = n < group ? n : group;
		value = bits(c, at, width[group][k]);
		if (value < 0)
			return false;
		for (int i = k - 1; i >= 0; i--, value /= base)
			text[i] = alphabet[value % base];
		if (value != 0 || !buf_add(out, text, (size_t)k))
			return false;
	}
	return true;
}

static bool
read_bytes(const struct code *c, int *at, int n, struct buf *out)
{
	for (; n > 0; n--) {
		int byte = bits(c, at, 8);

		if (byte < 0x20 || byte == 0x7f || !buf_putc(out, (char)byte))
			return false;
	}
	return true;
}

/* The segments, one after the other, until the end mark or the end. */
static bool
read_segments(const struct code *c, struct buf *out)
{
	int size = c->version < 10 ? 0 : c->version < 27 ? 1 : 2;
	static const int numeric[] = {10, 12, 14}, alnum[] = {9, 11, 13},
			 byte[] = {8, 16, 16};
	bool ok = true;

	for (int at = 0, mode; ok && (mode = bits(c, &at, 4)) > 0;) {
		if (mode == 1)
			ok = read_group(c, &at, bits(c, &at, numeric[size]), 3, out);
		else if (mode == 2)
			ok = read_group(c, &at, bits(c, &at, alnum[size]), 2, out);
		else if (mode == 4)
			ok = read_bytes(c, &at, bits(c, &at, byte[size]), out);
		else
			ok = false;
	}
	return ok;
}

bool
qr_read(const void *png, size_t n, struct buf *out, struct err *e)
{
	struct code *c = calloc(1, sizeof(*c));
	struct picture p = {0};
	size_t before = out->len;
	bool ok = false;

	if (c == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	if (!load(png, n, &p, e))
		goto out;
	if (!sample(&p, c) || !read_format(c)) {
		err_set(e, ERR_PROTOCOL, "the picture shows no QR code of level M");
		goto out;
	}
	read_words(c);
	ok = read_blocks(c) && read_segments(c, out) && out->len > before;
	if (out->failed)
		err_set(e, ERR_TOO_LARGE, "the QR code's value is too long");
	else if (!ok)
		err_set(e, ERR_PROTOCOL, "the QR code in the picture is damaged");
out:
	free(p.grey);
	free(c);
	return ok;
}
