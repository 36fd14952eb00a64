#include "lib/qr-read.h"

#include <png.h>
#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/qr.h"
#include "t/unit/unit.h"

#define QUIET 4

/* A pairing reference in the form WhatsApp gives them. */
static const char reference[] =
	"2@pzR/KspN6ry7jG8CU4bonN2aujzfJamyN3xYjaldFXYpeUryNGb0UROC0Bh9cHwp+hBh8n+B+Xqc"
	"rWP4cqsw77yv8UsYbcCa+D76q67pRmF88U1Y+hJ5c7oZPVxrxzFv3Aph6lKLLQIHk9fjeoc7kFUzaF"
	"eL5j7wkkReJcqUsybQv7zNjQIHVc7viZ6b91Lhac/"
	"j4p4kbT1KOoYy4g5N908fO36LsFsGhrqaVi==";

/* The code as a grey picture, `scale` pixels a module; the caller frees. */
static png_bytep
draw(const QRcode *qr, int scale, int *side)
{
	png_bytep p;

	*side = (qr->width + 2 * QUIET) * scale;
	p = malloc((size_t)*side * (size_t)*side);
	ck_assert_ptr_nonnull(p);
	memset(p, 255, (size_t)*side * (size_t)*side);
	for (int y = 0; y < qr->width * scale; y++)
		for (int x = 0; x < qr->width * scale; x++)
			if (qr->data[y / scale * qr->width + x / scale] & 1)
				p[(y + QUIET * scale) * *side + x + QUIET * scale] = 0;
	return p;
}

static void
encode(png_bytep p, int width, int height, struct buf *png)
{
	png_image image = {.version = PNG_IMAGE_VERSION,
		.width = (png_uint_32)width,
		.height = (png_uint_32)height,
		.format = PNG_FORMAT_GRAY};
	png_alloc_size_t n = 8 << 20;
	void *bytes = malloc(n);

	ck_assert(png_image_write_to_memory(&image, bytes, &n, 0, p, 0, NULL));
	buf_init(png, 8 << 20);
	buf_add(png, bytes, n);
	free(bytes);
}

static void
picture_of(QRcode *qr, int scale, struct buf *png)
{
	int side;
	png_bytep p;

	ck_assert_ptr_nonnull(qr);
	p = draw(qr, scale, &side);
	encode(p, side, side, png);
	free(p);
	QRcode_free(qr);
}

static void
assert_reads(const struct buf *png, const char *value)
{
	struct err e = ERR_INIT;
	struct buf out;

	buf_init(&out, 3000);
	ck_assert_msg(qr_read(png->data, png->len, &out, &e), "%s", e.text);
	ck_assert_str_eq(buf_str(&out), value);
	buf_free(&out);
}

static void
assert_refused(const void *png, size_t n, enum err_code why)
{
	struct err e = ERR_INIT;
	struct buf out;

	buf_init(&out, 3000);
	ck_assert(!qr_read(png, n, &out, &e));
	ck_assert_str_eq(err_name(e.code), err_name(why));
	buf_free(&out);
}

START_TEST(a_code_of_every_version_is_read)
{
	struct buf png;
	char value[40];

	snprintf(value, sizeof(value), "2@v%d", _i);
	picture_of(QRcode_encodeString(value, _i, QR_ECLEVEL_M, QR_MODE_8, 1), 2, &png);
	assert_reads(&png, value);
	buf_free(&png);
}
END_TEST

START_TEST(a_pairing_reference_is_read_at_any_scale)
{
	struct buf png;

	picture_of(QRcode_encodeString(reference, 0, QR_ECLEVEL_M, QR_MODE_8, 1), _i,
		&png);
	assert_reads(&png, reference);
	buf_free(&png);
}
END_TEST

START_TEST(a_full_code_is_read)
{
	struct buf png;
	char value[2332];

	for (size_t i = 0; i + 1 < sizeof(value); i++)
		value[i] = (char)('!' + i * 7 % 90);
	value[sizeof(value) - 1] = '\0';
	picture_of(QRcode_encodeString(value, 40, QR_ECLEVEL_M, QR_MODE_8, 1), 3, &png);
	assert_reads(&png, value);
	buf_free(&png);
}
END_TEST

/* Encoders save modules by changing segments within a value. */
START_TEST(numbers_and_capitals_and_bytes_are_read)
{
	static const char *const values[] = {"1", "12", "123", "01234567890123456789",
		"A", "AB", "HTTPS://WA.ME/4412345",
		"2@abcdef0123456789012345ABCDEFGHIJKLMNOPQR,xyz",
		"00000000000000000000000000000000000000000000000a"};
	struct buf png;

	picture_of(QRcode_encodeString(values[_i], 0, QR_ECLEVEL_M, QR_MODE_8, 1), 4,
		&png);
	assert_reads(&png, values[_i]);
	buf_free(&png);
}
END_TEST

/* Correcting would make something of anything; a code for a person must be exact. */
START_TEST(a_damaged_code_is_refused)
{
	QRcode *qr = QRcode_encodeString(reference, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
	struct buf png;

	/* one module in the middle, where there are only code words */
	qr->data[qr->width * (qr->width - 12) + qr->width - 12 - _i] ^= 1;
	picture_of(qr, 4, &png);
	assert_refused(png.data, png.len, ERR_PROTOCOL);
	buf_free(&png);
}
END_TEST

START_TEST(another_level_is_refused)
{
	struct buf png;

	picture_of(
		QRcode_encodeString(reference, 0, QR_ECLEVEL_L, QR_MODE_8, 1), 4, &png);
	assert_refused(png.data, png.len, ERR_PROTOCOL);
	buf_free(&png);
}
END_TEST

START_TEST(a_value_with_control_characters_is_refused)
{
	struct buf png;

	picture_of(
		QRcode_encodeString("2@a\nb", 0, QR_ECLEVEL_M, QR_MODE_8, 1), 4, &png);
	assert_refused(png.data, png.len, ERR_PROTOCOL);
	buf_free(&png);
}
END_TEST

static QRcode *
zeros(int n)
{
	static const unsigned char zero[] = "000000000000000000000000000000000000";
	QRinput *in = QRinput_new2(1, QR_ECLEVEL_M);
	QRcode *qr;

	ck_assert_int_eq(QRinput_append(in, QR_MODE_NUM, n, zero), 0);
	qr = QRcode_encodeInput(in);
	ck_assert_ptr_nonnull(qr);
	QRinput_free(in);
	return qr;
}

/* Whether the mask of qr (ISO/IEC 18004 7.8.2) inverts the module at row i, column j. */
static bool
is_masked(const QRcode *qr, int i, int j)
{
	const unsigned char *format =
		qr->data + 8 * qr->width; /* itself masked by 101.. */
	int mask = ((format[2] & 1) ^ 1) << 2 | (format[3] & 1) << 1 |
		((format[4] & 1) ^ 1);
	const int rule[] = {(i + j) % 2, i % 2, j % 3, (i + j) % 3, (i / 2 + j / 3) % 2,
		i * j % 2 + i * j % 3, (i * j % 2 + i * j % 3) % 2,
		((i + j) % 2 + i * j % 3) % 2};

	return rule[mask] == 0;
}

/* A sum of code words is a code word. So the counts of the segments 33, 8 and 3 make one that claims 42 digits,
 * with no damage in it, where 34 have room. */
START_TEST(a_segment_that_claims_more_than_there_is_is_refused)
{
	QRcode *sum = zeros(33), *other;
	struct buf png;

	for (int k = 0; k < 2; k++) {
		other = zeros(k == 0 ? 8 : 3);
		for (int m = 0; m < sum->width * sum->width; m++) {
			int i = m / sum->width, j = m % sum->width;

			if ((sum->data[m] & 0x80) == 0) /* data or its correction */
				sum->data[m] ^=
					(other->data[m] & 1) ^ is_masked(other, i, j);
		}
		QRcode_free(other);
	}
	picture_of(sum, 2, &png);
	assert_refused(png.data, png.len, ERR_PROTOCOL);
	buf_free(&png);
}
END_TEST

START_TEST(what_is_no_picture_is_refused)
{
	static const char html[] = "<!DOCTYPE html><title>404</title>";

	assert_refused(html, sizeof(html) - 1, ERR_PROTOCOL);
	assert_refused("", 0, ERR_PROTOCOL);
}
END_TEST

START_TEST(a_cut_picture_is_refused)
{
	struct buf png;

	picture_of(
		QRcode_encodeString(reference, 0, QR_ECLEVEL_M, QR_MODE_8, 1), 4, &png);
	for (size_t n = 0; n < png.len - 20; n += 1 + png.len / 50)
		assert_refused(png.data, n, ERR_PROTOCOL);
	buf_free(&png);
}
END_TEST

START_TEST(a_picture_without_a_code_is_refused)
{
	png_byte pixels[64 * 32];
	struct buf png;

	memset(pixels, _i, sizeof(pixels));
	encode(pixels, 64, 32, &png);
	assert_refused(png.data, png.len, ERR_PROTOCOL);
	buf_free(&png);
}
END_TEST

START_TEST(a_giant_picture_is_refused_before_it_takes_memory)
{
	png_byte *pixels = calloc(4096, 600);
	struct buf png;

	encode(pixels, 4096, 600, &png);
	assert_refused(png.data, png.len, ERR_TOO_LARGE);
	buf_free(&png);
	free(pixels);
}
END_TEST

START_TEST(a_value_that_does_not_fit_is_too_large)
{
	struct err e = ERR_INIT;
	struct buf png, out;

	picture_of(
		QRcode_encodeString(reference, 0, QR_ECLEVEL_M, QR_MODE_8, 1), 4, &png);
	buf_init(&out, 20);
	ck_assert(!qr_read(png.data, png.len, &out, &e));
	ck_assert_int_eq(e.code, ERR_TOO_LARGE);
	buf_free(&png);
	buf_free(&out);
}
END_TEST

/* Drawn by GOWA's own encoder (go-qrcode, level M, 512 pixels), not by ours. */
START_TEST(what_gowa_draws_is_read)
{
	static const char *const files[][2] = {{"t/fixtures/gowa-qr.png", reference},
		{"t/fixtures/gowa-qr-segments.png",
			"2@AB0123456789012345678901234567890,"
			"CDEFGHIJKLMNOPQRSTUVWXYZ"}};
	FILE *f = fopen(files[_i][0], "rb");
	char bytes[4096];
	struct buf png;

	ck_assert_ptr_nonnull(f);
	buf_init(&png, sizeof(bytes));
	buf_add(&png, bytes, fread(bytes, 1, sizeof(bytes), f));
	fclose(f);
	assert_reads(&png, files[_i][1]);
	buf_free(&png);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("qr-read");
	TCase *tc = tcase_create("qr-read");

	tcase_add_loop_test(tc, a_code_of_every_version_is_read, 1, 41);
	tcase_add_loop_test(tc, a_pairing_reference_is_read_at_any_scale, 1, 9);
	tcase_add_loop_test(tc, what_gowa_draws_is_read, 0, 2);
	tcase_add_test(tc, a_full_code_is_read);
	tcase_add_loop_test(tc, numbers_and_capitals_and_bytes_are_read, 0, 9);
	tcase_add_loop_test(tc, a_damaged_code_is_refused, 0, 4);
	tcase_add_test(tc, another_level_is_refused);
	tcase_add_test(tc, a_value_with_control_characters_is_refused);
	tcase_add_test(tc, a_segment_that_claims_more_than_there_is_is_refused);
	tcase_add_test(tc, what_is_no_picture_is_refused);
	tcase_add_test(tc, a_cut_picture_is_refused);
	tcase_add_loop_test(tc, a_picture_without_a_code_is_refused, 0, 2);
	tcase_add_test(tc, a_giant_picture_is_refused_before_it_takes_memory);
	tcase_add_test(tc, a_value_that_does_not_fit_is_too_large);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
