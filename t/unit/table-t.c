#include "lib/table.h"

#include <string.h>

#include "t/unit/unit.h"

/* Renders and frees; the text stays until the next call. */
static const char *
rendered(struct table *t)
{
	static char text[8192];
	struct buf out;

	buf_init(&out, sizeof(text) - 1);
	ck_assert(table_render(t, &out));
	memcpy(text, buf_str(&out), out.len + 1);
	buf_free(&out);
	table_free(t);
	return text;
}

START_TEST(columns_are_as_wide_as_their_widest)
{
	struct table t;

	table_init(&t, (const char *[]){"NAME", "N", "WHY"}, 3);
	table_row(&t, (const char *[]){"a", "10000", "x"});
	table_row(&t, (const char *[]){"longer", "", ""});
	table_row(&t, (const char *[]){"b", NULL, "y"});
	ck_assert_str_eq(rendered(&t),
		"NAME    N      WHY\n"
		"a       10000  x\n"
		"longer\n"
		"b              y\n");
}
END_TEST

START_TEST(widths_are_those_of_characters)
{
	struct table t;

	table_init(&t, (const char *[]){"NOME", "X"}, 2);
	table_row(&t, (const char *[]){"Conexão", "1"});
	table_row(&t, (const char *[]){"日本", "2"});
	table_row(
		&t, (const char *[]){"e\xcc\x81t\xc3\xa9", "3"}); /* a combining mark */
	ck_assert_str_eq(rendered(&t),
		"NOME     X\n"
		"Conexão  1\n"
		"日本     2\n"
		"e\xcc\x81t\xc3\xa9      3\n");
}
END_TEST

START_TEST(nothing_reaches_the_terminal_that_moves_its_cursor)
{
	struct table t;

	table_init(&t,
		(const char *[]){"\x1b[2Ja\nb\x7f\xc2\x9b"
				 "c\xff"},
		1);
	ck_assert_str_eq(rendered(&t),
		"\xef\xbf\xbd[2Ja\xef\xbf\xbd"
		"b\xef\xbf\xbd\xef\xbf\xbd"
		"c\xef\xbf\xbd\n");
}
END_TEST

START_TEST(many_rows)
{
	struct table t;
	size_t lines = 0;

	table_init(&t, (const char *[]){"N"}, 1);
	for (int i = 0; i < 1000; i++)
		table_row(&t, (const char *[]){"n"});
	for (const char *p = rendered(&t); *p != '\0'; p++)
		lines += *p == '\n';
	ck_assert_uint_eq(lines, 1001);
}
END_TEST

START_TEST(what_does_not_fit_is_told)
{
	struct table t;
	struct buf out;

	buf_init(&out, 4);
	table_init(&t, (const char *[]){"NAME"}, 1);
	ck_assert(!table_render(&t, &out));
	table_free(&t);
	buf_free(&out);
}
END_TEST

START_TEST(durations)
{
	static const struct {
		int64_t ms;
		const char *words;
	} cases[] = {{-1, ""}, {0, "0 ms"}, {999, "999 ms"}, {1000, "1.0 s"},
		{12345, "12.3 s"}, {59999, "59.9 s"}, {60000, "1 min 0 s"},
		{302000, "5 min 2 s"}, {3600000, "1 h 0 min"}, {11040000, "3 h 4 min"},
		{86400000, "1 d 0 h"}, {198000000, "2 d 7 h"}};
	char words[TABLE_DURATION];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_str_eq(table_duration(cases[i].ms, words), cases[i].words);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {columns_are_as_wide_as_their_widest,
		widths_are_those_of_characters,
		nothing_reaches_the_terminal_that_moves_its_cursor, many_rows,
		what_does_not_fit_is_told, durations, NULL};

	return unit_main(unit_suite("table", tests));
}
