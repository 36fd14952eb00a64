#include <libxml/parser.h>
#include <math.h>
#include <string.h>

#include "lib/history.h"
#include "t/unit/unit.h"

/* Four hours of a week that begin before midnight of a Saturday, the second one not sampled. */
static struct history
week(void)
{
	struct history h = {.range = HISTORY_WEEK,
		.step = 3600,
		.n = 4,
		.zone = "America/Sao_Paulo",
		.begins = "2026-11-20 22:00",
		.ends = "2026-11-21 01:00",
		.nticks = 1,
		.name = "WAHA"};
	const double free[] = {8, NAN, 2.5, 1234};

	for (size_t i = 0; i < h.n; i++) {
		h.at[i] = 1795222800 + (int64_t)i * 3600;
		for (size_t c = 0; c < POOL_COLUMNS; c++)
			h.values[c][i] = i == 1 ? NAN : 1;
		h.values[POOL_FREE][i] = free[i];
	}
	h.ticks[0].at = h.at[2];
	h.ticks[0].day = 21;
	h.ticks[0].weekday = 6;
	return h;
}

static const char *
text_of(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

static void
assert_has(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in: %s", part, text);
}

START_TEST(ranges_have_words)
{
	static const char *const words[] = {"hour", "day", "week"};
	enum history_range r;

	ck_assert(history_range_of(words[_i], &r));
	ck_assert_str_eq(history_range_word(r), words[_i]);
	ck_assert(!history_range_of("year", &r));
	ck_assert(!history_range_of("", &r));
}
END_TEST

START_TEST(numbers_come_with_words)
{
	struct history h = week();
	json_t *o = history_pool_json(&h, LANG_PT);
	const json_t *points = json_object_get(o, "points");

	ck_assert_str_eq(text_of(o, "range"), "week");
	ck_assert_str_eq(
		text_of(o, "title"), "Pool de inst\u00e2ncias: \u00faltimos 7 dias");
	assert_has(text_of(o, "description"),
		"2026-11-20 22:00 \u2013 2026-11-21 01:00 (America/Sao_Paulo).");
	assert_has(text_of(o, "description"),
		" livres: agora 1.234, m\u00ednimo 2, m\u00e1ximo 1.234.");
	assert_has(text_of(o, "description"), " sem dados: 1/4.");
	ck_assert_uint_eq(json_array_size(points), 4);
	ck_assert_str_eq(
		text_of(json_array_get(points, 0), "at"), "2026-11-21T01:00:00.000Z");
	ck_assert(json_is_null(json_object_get(json_array_get(points, 1), "free")));
	ck_assert(json_real_value(json_object_get(json_array_get(points, 2), "free")) ==
		2.5);
	json_decref(o);
}
END_TEST

START_TEST(a_step_without_a_sample_is_no_description)
{
	struct history h = week();
	json_t *o;

	for (size_t i = 0; i < h.n; i++)
		for (size_t c = 0; c < POOL_COLUMNS; c++)
			h.values[c][i] = NAN;
	o = history_pool_json(&h, LANG_EN);
	assert_has(text_of(o, "description"), " free: no data.");
	assert_has(text_of(o, "description"), " no data: 4/4.");
	json_decref(o);
}
END_TEST

START_TEST(a_server_is_named_and_its_outages_marked)
{
	struct history_look look = {.lang = LANG_EN, .width = PLOT_WIDTH};
	struct history h = week();
	struct err e = ERR_INIT;
	struct buf svg;
	json_t *o;

	h.values[SERVER_UP][3] = 0;
	h.values[SERVER_LATENCY][3] = h.values[SERVER_LATENCY_MAX][3] = NAN;
	o = history_server_json(&h, LANG_EN);
	ck_assert_str_eq(text_of(o, "server"), "WAHA");
	ck_assert_str_eq(text_of(o, "title"), "WAHA: last 7 days");
	/* a server that is down is no gap */
	assert_has(text_of(o, "description"), " no data: 1/4.");
	json_decref(o);
	buf_init(&svg, 1 << 20);
	ck_assert_msg(history_server_svg(&h, &look, &svg, &e), "%s", e.text);
	assert_has(buf_str(&svg), ">down</text>");
	buf_free(&svg);
}
END_TEST

START_TEST(days_are_named_in_the_readers_language)
{
	static const char *const days[] = {">s\u00e1b 21</text>", ">Sat 21</text>"};
	struct history_look look = {.lang = (enum lang)_i, .width = PLOT_WIDTH};
	struct history h = week();
	struct err e = ERR_INIT;
	struct buf svg;

	buf_init(&svg, 1 << 20);
	ck_assert_msg(history_pool_svg(&h, &look, &svg, &e), "%s", e.text);
	assert_has(buf_str(&svg), days[_i]);
	buf_free(&svg);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("history");
	TCase *t = tcase_create("history");

	xmlInitParser();
	tcase_add_loop_test(t, ranges_have_words, 0, 3);
	tcase_add_test(t, numbers_come_with_words);
	tcase_add_test(t, a_step_without_a_sample_is_no_description);
	tcase_add_test(t, a_server_is_named_and_its_outages_marked);
	tcase_add_loop_test(t, days_are_named_in_the_readers_language, 0, 2);
	suite_add_tcase(s, t);
	return unit_main(s);
}
