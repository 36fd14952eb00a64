#include "lib/qr.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <png.h>
#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/unit/unit.h"

#define QUIET 4
#define ROWS(a) (int)(sizeof(a) / sizeof((a)[0]))

static char longest[QR_VALUE_MAX + 2];

static const char *const values[] = {"a", "0123456789012345678901234567890123456789",
	"2@pzR/"
	"KspN6ry7jG8CU4bonN2aujzfJamyN3xYjaldFXYpeUryNGb0UROC0Bh9cHwp+hBh8n+B+XqcrW"
	"P4cqsw77yv8UsYbcCa+D76q67pRmF88U1Y+"
	"hJ5c7oZPVxrxzFv3Aph6lKLLQIHk9fjeoc7kFUzaFeL5j"
	"7wkkReJcqUsybQv7zNjQIHVc7viZ6b91Lhac/j4p4kbT1KOoYy4g5N908fO36LsFsGhrqaVi+w1z7",
	longest};

/* What the image must show; the caller frees. */
static QRcode *
expected(const char *value)
{
	QRcode *qr = QRcode_encodeData(
		(int)strlen(value), (const unsigned char *)value, 0, QR_ECLEVEL_L);

	ck_assert_ptr_nonnull(qr);
	return qr;
}

static bool
dark(const QRcode *qr, int x, int y)
{
	return x >= 0 && y >= 0 && x < qr->width && y < qr->width &&
		(qr->data[y * qr->width + x] & 1) != 0;
}

static void
make_png(const char *value, int scale, struct buf *png)
{
	struct err e = ERR_INIT;

	buf_init(png, 1 << 20);
	ck_assert_msg(qr_png(value, scale, png, &e), "%s", e.text);
}

/* All pixels as bytes, as libpng reads them back; the caller frees. */
static png_bytep
pixels(const struct buf *png, int *width)
{
	png_image image = {.version = PNG_IMAGE_VERSION};
	png_bytep p;

	ck_assert(png_image_begin_read_from_memory(&image, png->data, png->len));
	image.format = PNG_FORMAT_GRAY;
	ck_assert_uint_eq(image.width, image.height);
	p = malloc(PNG_IMAGE_SIZE(image));
	ck_assert_ptr_nonnull(p);
	ck_assert(png_image_finish_read(&image, NULL, p, 0, NULL));
	*width = (int)image.width;
	return p;
}

START_TEST(the_png_is_one_bit_gray)
{
	static const unsigned char signature[] = {
		0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
	struct buf png;

	make_png(values[2], 0, &png);
	ck_assert_uint_gt(png.len, 33);
	ck_assert_mem_eq(png.data, signature, sizeof(signature));
	ck_assert_int_eq(png.data[24], 1);
	ck_assert_int_eq(png.data[25], PNG_COLOR_TYPE_GRAY);
	buf_free(&png);
}
END_TEST

START_TEST(each_pixel_is_its_module_and_the_quiet_zone_is_white)
{
	static const int scales[] = {1, 3, 8, QR_SCALE_MAX};
	const char *value = values[_i / ROWS(scales)];
	int scale = scales[_i % ROWS(scales)], width, wrong = 0;
	QRcode *qr = expected(value);
	struct buf png;
	png_bytep p;

	make_png(value, scale, &png);
	p = pixels(&png, &width);
	ck_assert_int_eq(width, (qr->width + 2 * QUIET) * scale);
	for (int y = 0; y < width; y++)
		for (int x = 0; x < width; x++) {
			bool black = dark(qr, x / scale - QUIET, y / scale - QUIET);

			wrong += p[y * width + x] != (black ? 0 : 255);
		}
	ck_assert_int_eq(wrong, 0);
	free(p);
	buf_free(&png);
	QRcode_free(qr);
}
END_TEST

START_TEST(the_default_is_the_least_scale_with_264_pixels)
{
	QRcode *qr = expected(values[_i]);
	int modules = qr->width + 2 * QUIET, width;
	struct buf png;

	make_png(values[_i], 0, &png);
	free(pixels(&png, &width));
	ck_assert_int_ge(width, 264);
	ck_assert_int_eq(width % modules, 0);
	ck_assert_int_lt(width - modules, 264);
	buf_free(&png);
	QRcode_free(qr);
}
END_TEST

/* What a reader that is none of our libraries makes of the image. */
START_TEST(a_scanner_reads_the_value_back)
{
	char path[] = "/tmp/qr-t.XXXXXX", command[128], text[QR_VALUE_MAX + 2] = "";
	struct buf png;
	int fd = mkstemp(path);
	FILE *scanner;

	ck_assert_int_ge(fd, 0);
	make_png(values[_i], 0, &png);
	ck_assert_int_eq(write(fd, png.data, png.len), (ssize_t)png.len);
	close(fd);
	snprintf(command, sizeof(command), "zbarimg -q --raw %s 2>/dev/null", path);
	scanner = popen(command, "r");
	ck_assert_ptr_nonnull(scanner);
	text[fread(text, 1, sizeof(text) - 1, scanner)] = '\0';
	ck_assert_msg(WEXITSTATUS(pclose(scanner)) != 127, "zbarimg is not installed");
	text[strcspn(text, "\n")] = '\0';
	ck_assert_str_eq(text, values[_i]);
	unlink(path);
	buf_free(&png);
}
END_TEST

START_TEST(the_data_uri_is_the_png_in_base64)
{
	static const char start[] = "data:image/png;base64,";
	struct buf uri, png, base64;
	struct err e = ERR_INIT;

	make_png(values[_i], 0, &png);
	buf_init(&base64, 1 << 20);
	ck_assert(buf_base64(&base64, png.data, png.len));
	buf_init(&uri, 1 << 20);
	ck_assert_msg(qr_data_uri(values[_i], &uri, &e), "%s", e.text);
	ck_assert_int_eq(strncmp(uri.data, start, strlen(start)), 0);
	ck_assert_str_eq(uri.data + strlen(start), base64.data);
	buf_free(&uri);
	buf_free(&png);
	buf_free(&base64);
}
END_TEST

static xmlDocPtr
make_svg(const char *value, const char *title)
{
	struct err e = ERR_INIT;
	struct buf svg;
	xmlDocPtr doc;

	buf_init(&svg, 1 << 20);
	ck_assert_msg(qr_svg(value, title, &svg, &e), "%s", e.text);
	doc = xmlReadMemory(svg.data, (int)svg.len, NULL, NULL, XML_PARSE_NONET);
	ck_assert_msg(doc != NULL, "not well-formed");
	buf_free(&svg);
	return doc;
}

static void
assert_attribute(xmlNodePtr node, const char *name, const char *value)
{
	xmlChar *is = xmlGetNoNsProp(node, BAD_CAST name);

	ck_assert_msg(is != NULL, "no %s", name);
	ck_assert_str_eq((char *)is, value);
	xmlFree(is);
}

START_TEST(the_svg_is_an_image_with_a_name_on_white_ground)
{
	xmlDocPtr doc = make_svg("a", NULL);
	xmlNodePtr svg = xmlDocGetRootElement(doc), title = svg->children;
	xmlNodePtr rect = title->next, path = rect->next;

	ck_assert_str_eq((char *)svg->name, "svg");
	ck_assert_str_eq((char *)svg->ns->href, "http://www.w3.org/2000/svg");
	assert_attribute(svg, "viewBox", "0 0 29 29");
	assert_attribute(svg, "role", "img");
	assert_attribute(svg, "shape-rendering", "crispEdges");
	ck_assert_ptr_null(xmlHasProp(svg, BAD_CAST "width"));
	ck_assert_ptr_null(xmlHasProp(svg, BAD_CAST "height"));
	ck_assert_str_eq((char *)title->name, "title");
	ck_assert_str_eq((char *)title->children->content, "QR code");
	ck_assert_str_eq((char *)rect->name, "rect");
	assert_attribute(rect, "width", "100%");
	assert_attribute(rect, "height", "100%");
	assert_attribute(rect, "fill", "#fff");
	ck_assert_str_eq((char *)path->name, "path");
	assert_attribute(path, "fill", "#000");
	ck_assert_ptr_null(path->next);
	xmlFreeDoc(doc);
}
END_TEST

/* Draws d into a matrix of its own and counts where it differs from qr. */
static int
differences(const QRcode *qr, const char *d)
{
	int size = qr->width + 2 * QUIET, x = 0, y = 0, wrong = 0;
	bool *drawn = calloc((size_t)(size * size), sizeof(*drawn));

	ck_assert_ptr_nonnull(drawn);
	while (*d != '\0') {
		int dx, dy, there, back, used = 0;

		sscanf(d, "m%d %dh%dv1h-%dz%n", &dx, &dy, &there, &back, &used);
		ck_assert_msg(used > 0, "at %.20s", d);
		ck_assert_int_eq(there, back);
		x += dx;
		y += dy;
		ck_assert(x >= 0 && y >= 0 && x + there <= size && y < size);
		for (int i = 0; i < there; i++)
			drawn[y * size + x + i] = true;
		d += used;
	}
	for (y = 0; y < size; y++)
		for (x = 0; x < size; x++)
			wrong += drawn[y * size + x] != dark(qr, x - QUIET, y - QUIET);
	free(drawn);
	return wrong;
}

START_TEST(the_svg_path_draws_the_matrix)
{
	QRcode *qr = expected(values[_i]);
	xmlDocPtr doc = make_svg(values[_i], "scan me");
	xmlNodePtr path = xmlGetLastChild(xmlDocGetRootElement(doc));
	xmlChar *d = xmlGetNoNsProp(path, BAD_CAST "d");

	ck_assert_ptr_nonnull(d);
	ck_assert_int_eq(differences(qr, (char *)d), 0);
	xmlFree(d);
	xmlFreeDoc(doc);
	QRcode_free(qr);
}
END_TEST

START_TEST(a_title_is_text_and_never_markup)
{
	static const char title[] = "</title><script>\"a\" & 'b'</script> \xc3\xa4";
	xmlDocPtr doc = make_svg("a", title);
	xmlChar *text = xmlNodeGetContent(xmlDocGetRootElement(doc)->children);

	ck_assert_str_eq((char *)text, title);
	xmlFree(text);
	xmlFreeDoc(doc);
}
END_TEST

START_TEST(a_title_that_xml_cannot_hold_is_refused)
{
	static const char *const titles[] = {"a\x01", "a\x1b[0m", "a\nb", "a\x7f",
		"\xff", "\xef\xbf\xbe", "\xef\xbf\xbf", "\xed\xa0\x80"};
	struct err e = ERR_INIT;
	struct buf svg;

	buf_init(&svg, 1 << 20);
	ck_assert(!qr_svg("a", titles[_i], &svg, &e));
	ck_assert_int_eq(e.code, ERR_INPUT);
	ck_assert_uint_eq(svg.len, 0);
	buf_free(&svg);
}
END_TEST

static bool
png_of(const char *value, struct buf *out, struct err *e)
{
	return qr_png(value, 0, out, e);
}

static bool
svg_of(const char *value, struct buf *out, struct err *e)
{
	return qr_svg(value, NULL, out, e);
}

static bool (*const makers[])(const char *, struct buf *, struct err *) = {
	png_of, svg_of, qr_data_uri};

START_TEST(a_value_is_1_to_2000_bytes)
{
	char too_long[QR_VALUE_MAX + 2];
	struct buf out;
	struct err e = ERR_INIT;
	const char *const bad[] = {NULL, "", too_long};

	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	buf_init(&out, 1 << 20);
	for (int i = 0; i < ROWS(bad); i++) {
		err_clear(&e);
		ck_assert_msg(!makers[_i](bad[i], &out, &e), "row %d", i);
		ck_assert_int_eq(e.code, ERR_INPUT);
		ck_assert_uint_eq(out.len, 0);
	}
	ck_assert(makers[_i](longest, &out, NULL));
	buf_free(&out);
}
END_TEST

START_TEST(an_image_that_does_not_fit_is_too_large)
{
	struct err e = ERR_INIT;
	struct buf out;

	for (size_t max = 0; max <= 200; max += 20) {
		err_clear(&e);
		buf_init(&out, max);
		ck_assert(!makers[_i](values[2], &out, &e));
		ck_assert_int_eq(e.code, ERR_TOO_LARGE);
		ck_assert_uint_le(out.len, max);
		buf_free(&out);
	}
}
END_TEST

START_TEST(a_scale_out_of_range_is_refused)
{
	static const int scales[] = {-1, QR_SCALE_MAX + 1, 1 << 30};
	struct err e = ERR_INIT;
	struct buf out;

	buf_init(&out, 1 << 20);
	ck_assert(!qr_png("a", scales[_i], &out, &e));
	ck_assert_int_eq(e.code, ERR_INPUT);
	ck_assert_uint_eq(out.len, 0);
	buf_free(&out);
}
END_TEST

static TCase *
pngs(void)
{
	TCase *t = tcase_create("png");

	tcase_add_test(t, the_png_is_one_bit_gray);
	tcase_add_loop_test(t, each_pixel_is_its_module_and_the_quiet_zone_is_white, 0,
		ROWS(values) * 4);
	tcase_add_loop_test(
		t, the_default_is_the_least_scale_with_264_pixels, 0, ROWS(values));
	tcase_add_loop_test(t, a_scanner_reads_the_value_back, 0, ROWS(values));
	tcase_add_loop_test(t, the_data_uri_is_the_png_in_base64, 0, ROWS(values));
	tcase_add_loop_test(t, a_scale_out_of_range_is_refused, 0, 3);
	return t;
}

static TCase *
svgs(void)
{
	TCase *t = tcase_create("svg");

	tcase_add_test(t, the_svg_is_an_image_with_a_name_on_white_ground);
	tcase_add_loop_test(t, the_svg_path_draws_the_matrix, 0, ROWS(values));
	tcase_add_test(t, a_title_is_text_and_never_markup);
	tcase_add_loop_test(t, a_title_that_xml_cannot_hold_is_refused, 0, 8);
	return t;
}

static TCase *
limits(void)
{
	TCase *t = tcase_create("limits");

	tcase_add_loop_test(t, a_value_is_1_to_2000_bytes, 0, ROWS(makers));
	tcase_add_loop_test(
		t, an_image_that_does_not_fit_is_too_large, 0, ROWS(makers));
	return t;
}

int
main(void)
{
	Suite *s = suite_create("qr");

	xmlInitParser();
	for (size_t i = 0; i < QR_VALUE_MAX; i++)
		longest[i] = (char)('!' + i * 7 % 90);
	suite_add_tcase(s, pngs());
	suite_add_tcase(s, svgs());
	suite_add_tcase(s, limits());
	return unit_main(s);
}
