#include "lib/utf8.h"

#include <string.h>

#include "t/unit/unit.h"

/* An independent decoder by arithmetic: the code point, or -1. */
static long
decode(const unsigned char *p, size_t n, size_t *len)
{
	static const long least[] = {0, 0, 0x80, 0x800, 0x10000};
	long c;

	*len = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : 4;
	if (p[0] >> 6 == 2 || p[0] >= 0xf8 || *len > n)
		return -1;
	c = *len == 1 ? p[0] : p[0] & (0x7f >> *len);
	for (size_t i = 1; i < *len; i++) {
		if (p[i] >> 6 != 2)
			return -1;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[*len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return -1;
	return c;
}

START_TEST(lengths_of_characters)
{
	static const struct {
		const char *s;
		size_t n, want;
	} cases[] = {
		{"", 0, 0},
		{"\0", 1, 1},
		{"a", 1, 1},
		{"\x7f", 1, 1},
		{"\xc2\x80", 2, 2},
		{"\xdf\xbf", 2, 2},
		{"\xe0\xa0\x80", 3, 3},
		{"\xef\xbf\xbf", 3, 3},
		{"\xf0\x90\x80\x80", 4, 4},
		{"\xf4\x8f\xbf\xbf", 4, 4},
		{"\x80", 1, 0},
		{"\xbf", 1, 0},
		{"\xc0\x80", 2, 0},
		{"\xc1\xbf", 2, 0},
		{"\xe0\x9f\xbf", 3, 0},
		{"\xed\xa0\x80", 3, 0},
		{"\xed\xbf\xbf", 3, 0},
		{"\xf0\x8f\xbf\xbf", 4, 0},
		{"\xf4\x90\x80\x80", 4, 0},
		{"\xf5\x80\x80\x80", 4, 0},
		{"\xff", 1, 0},
		{"\xc3\xa1", 1, 0},
		{"\xe2\x82\xac", 2, 0},
		{"\xf0\x9f\x98\x80", 3, 0},
		{"\xc3(", 2, 0},
		{"\xe2\x82(", 3, 0},
		{"\xe2(\xac", 3, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(utf8_char(cases[i].s, cases[i].n) == cases[i].want,
			"case %zu", i);
}
END_TEST

START_TEST(agrees_with_arithmetic_on_every_lead_and_edge)
{
	static const unsigned char edges[] = {
		0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
	const size_t n = sizeof(edges);
	size_t len;

	for (size_t i = 0; i < 256 * n * n * n; i++) {
		unsigned char p[4] = {(unsigned char)(i % 256), edges[i / 256 % n],
			edges[i / 256 / n % n], edges[i / 256 / n / n]};
		size_t want = decode(p, 4, &len) < 0 ? 0 : len;

		ck_assert_uint_eq(utf8_char((const char *)p, 4), want);
	}
}
END_TEST

START_TEST(a_text_is_valid_as_a_whole)
{
	static const struct {
		const char *s;
		bool valid;
	} cases[] = {
		{"", true},
		{"Ol\xc3\xa1, mundo \xf0\x9f\x91\x8b", true},
		{"ends in \xc3", false},
		{"\xff starts", false},
		{"in \xed\xa0\x80 between", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(
			utf8_valid(cases[i].s, strlen(cases[i].s)) == cases[i].valid,
			"case %zu", i);
	ck_assert(utf8_valid("a\0b", 3));
}
END_TEST

START_TEST(a_copy_ends_between_characters)
{
	static const struct {
		const char *from, *want;
	} cases[] = {
		{NULL, ""},
		{"", ""},
		{"1234567", "1234567"},
		{"12345678", "1234567"},
		{"123456\xc3\xa1", "123456"},
		{"\xf0\x9f\x91\x8b\xf0\x9f\x91\x8b", "\xf0\x9f\x91\x8b"},
		{"12\xff"
		 "45",
			"12"},
	};
	char to[8];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		utf8_copy(to, sizeof(to), cases[i].from);
		ck_assert_str_eq(to, cases[i].want);
	}
	utf8_copy(to, 1, "x");
	ck_assert_str_eq(to, "");
}
END_TEST

START_TEST(widths_on_a_terminal)
{
	static const struct {
		const char *text;
		size_t width;
	} cases[] = {{"", 0}, {"abc", 3}, {"Conex\xc3\xa3o", 7},
		{"e\xcc\x81", 1}, /* a combining accent */
		{"\xe6\x97\xa5\xe6\x9c\xac", 4}, {"\xea\xb0\x80", 2},
		{"\xf0\x9f\x98\x80", 2}, {"\xe2\x80\x8d", 0}, {"\xef\xbc\xa1", 2},
		{"\xe2\x82\xac", 1}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(utf8_width(cases[i].text, strlen(cases[i].text)) ==
				cases[i].width,
			"%s", cases[i].text);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {widths_on_a_terminal, lengths_of_characters,
		agrees_with_arithmetic_on_every_lead_and_edge,
		a_text_is_valid_as_a_whole, a_copy_ends_between_characters, NULL};

	return unit_main(unit_suite("utf8", tests));
}
