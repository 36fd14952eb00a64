#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/plot.h"
#include "t/unit/unit.h"

#define GOLDEN "t/fixtures/plot.svg"

#define N 12

/* A rise, a gap, a lone point, a gap, a fall; the server is down at the end. */
static const double some[N] = {0, 4, 8, NAN, NAN, 10, NAN, 9, 7, 3, 1, 0};
static const double target[N] = {10, 10, 10, NAN, NAN, 10, NAN, 10, 10, 10, 10, 10};
static const double many[N] = {
	0, 400, 800, NAN, NAN, 12345, NAN, 900, 700, 300, 100, 50};
static const double down[N] = {0, 0, 0, NAN, NAN, 0, NAN, 0, 0, 0, .5, 1};

static const struct plot_tick ticks[] = {
	{1000, "23:50", false}, {1600, "sáb 21", true}, {2200, "00:10", false}};

static struct plot
sample(void)
{
	return (struct plot){.title = "Pool: última hora",
		.desc = "De 23:50 a 00:10. Livres: 0.",
		.lang = LANG_PT,
		.width = PLOT_WIDTH,
		.from = 1000,
		.step = 100,
		.n = N,
		.panels = {{.name = "Reserva",
				   .unit = "",
				   .series = {{"livres", some}, {"meta", target}},
				   .nseries = 2},
			{.name = "Tempo de resposta",
				.unit = "ms",
				.series = {{"média", many}},
				.nseries = 1,
				.marked = down,
				.marked_name = "fora do ar"}},
		.npanels = 2,
		.ticks = ticks,
		.nticks = 3,
		.gap_name = "sem dados"};
}

static void
draw(const struct plot *p, struct buf *out)
{
	struct err e = ERR_INIT;

	buf_init(out, 1 << 20);
	ck_assert_msg(plot_svg(p, out, &e), "%s", e.text);
}

static xmlDocPtr
parsed(const struct plot *p)
{
	struct buf svg;
	xmlDocPtr doc;

	draw(p, &svg);
	doc = xmlReadMemory(svg.data, (int)svg.len, NULL, NULL, XML_PARSE_NONET);
	ck_assert_ptr_nonnull(doc);
	buf_free(&svg);
	return doc;
}

/* What an XPath expression finds, as a string: of nodes the first one's text. */
static char *
find(xmlDocPtr doc, const char *path)
{
	xmlXPathContextPtr c = xmlXPathNewContext(doc);
	xmlXPathObjectPtr found;
	char *text;

	xmlXPathRegisterNs(c, BAD_CAST "s", BAD_CAST "http://www.w3.org/2000/svg");
	found = xmlXPathEvalExpression(BAD_CAST path, c);
	ck_assert_ptr_nonnull(found);
	text = (char *)xmlXPathCastToString(found);
	xmlXPathFreeObject(found);
	xmlXPathFreeContext(c);
	return text;
}

static void
assert_found(xmlDocPtr doc, const char *path, const char *expected)
{
	char *text = find(doc, path);

	ck_assert_msg(strcmp(text, expected) == 0, "%s is \"%s\", not \"%s\"", path,
		text, expected);
	xmlFree(text);
}

/* Whoever changes how plots look runs this with PLOT_GOLDEN=new, looks at the file and commits it. */
START_TEST(a_plot_is_drawn_as_the_one_that_was_looked_at)
{
	struct plot p = sample();
	char expected[32768] = "";
	struct buf svg;
	FILE *f;

	draw(&p, &svg);
	if (getenv("PLOT_GOLDEN") != NULL) {
		f = fopen(GOLDEN, "w");
		ck_assert_ptr_nonnull(f);
		ck_assert_uint_eq(fwrite(svg.data, 1, svg.len, f), svg.len);
		fclose(f);
	}
	f = fopen(GOLDEN, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_gt(fread(expected, 1, sizeof(expected) - 1, f), 0);
	fclose(f);
	ck_assert_str_eq(buf_str(&svg), expected);
	buf_free(&svg);
}
END_TEST

START_TEST(it_says_in_words_what_it_is)
{
	struct plot p = sample();
	xmlDocPtr doc = parsed(&p);

	assert_found(doc, "/s:svg/@role", "img");
	assert_found(doc, "/s:svg/*[1][self::s:title]", "Pool: última hora");
	assert_found(doc, "/s:svg/*[2][self::s:desc]", "De 23:50 a 00:10. Livres: 0.");
	assert_found(doc, "/s:svg/@lang", "pt-BR");
	xmlFreeDoc(doc);
}
END_TEST

START_TEST(texts_are_text_and_never_markup)
{
	struct plot p = sample();
	const char *evil = "</title><script>alert(1)</script>&\"'\x01\xff\xef\xbf\xbf";
	const char *clean = "</title><script>alert(1)</script>&\"'\xef\xbf\xbd"
			    "\xef\xbf\xbd\xef\xbf\xbd";
	struct plot_tick tick = {1600, evil, true};
	xmlDocPtr doc;

	p.title = p.desc = p.gap_name = evil;
	p.panels[0].name = p.panels[0].series[0].name = p.panels[1].marked_name = evil;
	p.ticks = &tick;
	p.nticks = 1;
	doc = parsed(&p);
	assert_found(doc, "count(//s:script)", "0");
	assert_found(doc, "/s:svg/s:title", clean);
	assert_found(doc, "/s:svg/s:desc", clean);
	assert_found(doc, "count(//*[namespace-uri() != 'http://www.w3.org/2000/svg'])",
		"0");
	assert_found(doc, "count(//@*[starts-with(name(), 'on')])", "0");
	xmlFreeDoc(doc);
}
END_TEST

START_TEST(a_gap_is_no_line)
{
	struct plot p = sample();
	xmlDocPtr doc = parsed(&p);

	/* three pieces: the rise, the lone point, the fall */
	assert_found(doc,
		"string-length((//s:path[@class='l s0'])[2]/@d) - "
		"string-length(translate((//s:path[@class='l s0'])[2]/@d, 'M', ''))",
		"3");
	/* two gaps in each of two panels, and one box in each legend */
	assert_found(doc, "count(//s:rect[@fill='url(#gap)'])", "6");
	assert_found(doc, "count(//s:text[. = 'sem dados'])", "2");
	/* the marked time, as one box, and the legend's */
	assert_found(doc, "count(//s:rect[@class='m'])", "2");
	xmlFreeDoc(doc);
}
END_TEST

START_TEST(a_plot_of_nothing_is_all_gap)
{
	static const double nothing[N] = {
		NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
	struct plot p = sample();
	xmlDocPtr doc;

	p.npanels = 1;
	p.panels[0].series[0].values = p.panels[0].series[1].values = nothing;
	doc = parsed(&p);
	/* but for the legend's */
	assert_found(doc, "count(//s:path[starts-with(@class, 'l ')])", "2");
	assert_found(doc, "count(//s:rect[@fill='url(#gap)'])", "2");
	xmlFreeDoc(doc);
}
END_TEST

START_TEST(a_line_is_told_by_its_dashes_too)
{
	struct plot p = sample();
	xmlDocPtr doc = parsed(&p);
	char *style = find(doc, "//s:style");

	for (int i = 1; i < PLOT_SERIES_MAX; i++) {
		char rule[40];

		snprintf(rule, sizeof(rule), ".s%d{stroke-dasharray:", i);
		ck_assert_ptr_nonnull(strstr(style, rule));
	}
	xmlFree(style);
	xmlFreeDoc(doc);
}
END_TEST

START_TEST(colours_follow_the_reader_or_the_theme)
{
	static const struct {
		enum plot_theme theme;
		bool light, dark, media;
	} rows[] = {{PLOT_AUTO, true, true, true}, {PLOT_LIGHT, true, false, false},
		{PLOT_DARK, false, true, false}};
	struct plot p = sample();
	struct buf svg;

	p.theme = rows[_i].theme;
	draw(&p, &svg);
	ck_assert_int_eq(strstr(buf_str(&svg), "#212529") != NULL, rows[_i].light);
	ck_assert_int_eq(strstr(buf_str(&svg), "#dee2e6") != NULL, rows[_i].dark);
	ck_assert_int_eq(
		strstr(buf_str(&svg), "prefers-color-scheme") != NULL, rows[_i].media);
	buf_free(&svg);
}
END_TEST

/* Everything within the image, whatever its width: x of boxes and texts. */
START_TEST(it_fits_every_width)
{
	static const int widths[] = {PLOT_WIDTH_MIN, 390, PLOT_WIDTH, PLOT_WIDTH_MAX};
	struct plot p = sample();
	char path[128];
	xmlDocPtr doc;

	p.width = widths[_i];
	doc = parsed(&p);
	snprintf(path, sizeof(path), "count(//s:rect[@x < 0 or @x + @width > %d])",
		widths[_i] + 1);
	assert_found(doc, path, "0");
	snprintf(path, sizeof(path), "count(//s:text[@x < 0 or @x > %d])", widths[_i]);
	assert_found(doc, path, "0");
	xmlFreeDoc(doc);
}
END_TEST

START_TEST(labels_that_have_no_room_are_left_out)
{
	static const char *const label = "00:00";
	struct plot_tick crowd[60];
	struct plot p = sample();
	xmlDocPtr doc;

	for (int i = 0; i < 60; i++)
		crowd[i] = (struct plot_tick){1000 + i * 20, label, false};
	p.ticks = crowd;
	p.nticks = 60;
	p.npanels = 1;
	doc = parsed(&p);
	assert_found(doc, "count(//s:text[. = '00:00']) < 20", "true");
	assert_found(doc, "count(//s:text[. = '00:00']) > 5", "true");
	xmlFreeDoc(doc);
}
END_TEST

START_TEST(the_same_plot_gives_the_same_few_bytes)
{
	struct plot p = sample();
	struct buf a, b;

	draw(&p, &a);
	draw(&p, &b);
	ck_assert_str_eq(buf_str(&a), buf_str(&b));
	ck_assert_uint_lt(a.len, 8192);
	buf_free(&a);
	buf_free(&b);
}
END_TEST

START_TEST(one_that_does_not_fit_is_too_large)
{
	struct plot p = sample();
	struct err e = ERR_INIT;
	struct buf out;

	buf_init(&out, 1000);
	ck_assert(!plot_svg(&p, &out, &e));
	ck_assert_int_eq(e.code, ERR_TOO_LARGE);
	ck_assert_uint_eq(out.len, 0);
	buf_free(&out);
}
END_TEST

START_TEST(steps_are_round)
{
	static const struct {
		double max, step;
	} rows[] = {{0, 1}, {1, 1}, {3, 1}, {4, 1}, {5, 2}, {8, 2}, {9, 5}, {20, 5},
		{21, 10}, {40, 10}, {41, 20}, {99, 50}, {1000, 500}, {12345, 5000},
		{100000, 50000}, {1e9, 5e8}};

	ck_assert_msg(plot_step(rows[_i].max, 4) == rows[_i].step, "%g: %g",
		rows[_i].max, plot_step(rows[_i].max, 4));
}
END_TEST

START_TEST(numbers_are_written_as_people_do)
{
	static const struct {
		double v;
		enum lang lang;
		const char *text;
	} rows[] = {{0, LANG_PT, "0"}, {999, LANG_PT, "999"}, {1000, LANG_PT, "1.000"},
		{1234567, LANG_PT, "1.234.567"}, {12345, LANG_EN, "12,345"},
		{2.5, LANG_EN, "2"}, {-3, LANG_EN, "0"},
		{1e300, LANG_EN, "1,000,000,000,000,000"}};
	char out[PLOT_NUMBER_SIZE];

	ck_assert_str_eq(plot_number(rows[_i].v, rows[_i].lang, out), rows[_i].text);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("plot");
	TCase *t = tcase_create("svg"), *numbers = tcase_create("numbers");

	xmlInitParser();
	tcase_add_test(t, a_plot_is_drawn_as_the_one_that_was_looked_at);
	tcase_add_test(t, it_says_in_words_what_it_is);
	tcase_add_test(t, texts_are_text_and_never_markup);
	tcase_add_test(t, a_gap_is_no_line);
	tcase_add_test(t, a_plot_of_nothing_is_all_gap);
	tcase_add_test(t, a_line_is_told_by_its_dashes_too);
	tcase_add_loop_test(t, colours_follow_the_reader_or_the_theme, 0, 3);
	tcase_add_loop_test(t, it_fits_every_width, 0, 4);
	tcase_add_test(t, labels_that_have_no_room_are_left_out);
	tcase_add_test(t, the_same_plot_gives_the_same_few_bytes);
	tcase_add_test(t, one_that_does_not_fit_is_too_large);
	tcase_add_loop_test(numbers, steps_are_round, 0, 16);
	tcase_add_loop_test(numbers, numbers_are_written_as_people_do, 0, 8);
	suite_add_tcase(s, t);
	suite_add_tcase(s, numbers);
	return unit_main(s);
}
