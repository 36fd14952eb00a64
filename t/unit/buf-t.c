#include "lib/buf.h"

#include <stdlib.h>
#include <string.h>

#include "t/unit/unit.h"

START_TEST(an_empty_buffer_is_an_empty_string)
{
	struct buf b;

	buf_init(&b, 10);
	ck_assert_str_eq(buf_str(&b), "");
	ck_assert_uint_eq(b.len, 0);
	ck_assert(buf_add(&b, NULL, 0));
	ck_assert_str_eq(buf_str(&b), "");
	buf_free(&b);
	buf_free(NULL);
}
END_TEST

START_TEST(the_maximum_is_exact)
{
	struct buf b;

	buf_init(&b, 5);
	ck_assert(buf_puts(&b, "abc"));
	ck_assert(buf_puts(&b, "de"));
	ck_assert(!buf_putc(&b, 'f'));
	ck_assert_str_eq(buf_str(&b), "abcde");
	buf_free(&b);
}
END_TEST

START_TEST(a_failed_append_changes_nothing_and_stays_known)
{
	struct buf b;

	buf_init(&b, 5);
	ck_assert(buf_puts(&b, "abc"));
	ck_assert(!buf_puts(&b, "def"));
	ck_assert(b.failed);
	ck_assert_str_eq(buf_str(&b), "abc");
	ck_assert_msg(!buf_putc(&b, 'd'), "what would fit must not close the gap");
	ck_assert_str_eq(buf_str(&b), "abc");
	buf_reset(&b);
	ck_assert(!b.failed);
	ck_assert_str_eq(buf_str(&b), "");
	ck_assert(buf_puts(&b, "12345"));
	buf_free(&b);
}
END_TEST

START_TEST(every_way_to_append_respects_the_maximum)
{
	struct buf b;

	buf_init(&b, 7);
	ck_assert(!buf_printf(&b, "%08d", 1));
	buf_reset(&b);
	ck_assert(!buf_base64(&b, "123456", 6));
	buf_reset(&b);
	ck_assert(!buf_json(&b, "\x01\x01", 2));
	buf_reset(&b);
	ck_assert(!buf_add(&b, "", SIZE_MAX));
	ck_assert(!buf_base64(&b, "", SIZE_MAX));
	buf_free(&b);
}
END_TEST

START_TEST(growth_keeps_the_bytes_and_ends_them)
{
	struct buf b;

	buf_init(&b, 100000);
	for (int i = 0; i < 100000; i++)
		ck_assert(buf_putc(&b, (char)('a' + i % 26)));
	ck_assert_uint_eq(b.len, 100000);
	for (int i = 0; i < 100000; i++)
		ck_assert_int_eq(b.data[i], 'a' + i % 26);
	ck_assert_int_eq(b.data[100000], '\0');
	ck_assert(!buf_putc(&b, 'x'));
	buf_free(&b);
}
END_TEST

START_TEST(formatted_text_is_appended)
{
	struct buf b;

	buf_init(&b, 1000);
	ck_assert(buf_puts(&b, "<"));
	ck_assert(buf_printf(&b, "%s %d %zu", "text", -7, (size_t)9));
	ck_assert(buf_printf(&b, "%0200d", 1));
	ck_assert_uint_eq(b.len, 1 + 9 + 200);
	ck_assert_mem_eq(buf_str(&b), "<text -7 9000", 13);
	ck_assert_int_eq(b.data[b.len - 1], '1');
	buf_free(&b);
}
END_TEST

START_TEST(bytes_may_hold_nul)
{
	struct buf b;

	buf_init(&b, 10);
	ck_assert(buf_add(&b, "a\0b", 3));
	ck_assert_uint_eq(b.len, 3);
	ck_assert_mem_eq(b.data, "a\0b", 4);
	buf_free(&b);
}
END_TEST

START_TEST(json_text_is_always_valid)
{
	static const struct {
		const char *in;
		size_t n;
		const char *out;
	} cases[] = {
		{"plain", 5, "plain"},
		{"", 0, ""},
		{"\"\\/", 3, "\\\"\\\\/"},
		{"\n\r\t", 3, "\\n\\r\\t"},
		{"\0\x01\x1f\x7f", 4, "\\u0000\\u0001\\u001f\\u007f"},
		{"ol\xc3\xa1", 4, "ol\xc3\xa1"},
		{"\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80"},
		{"a\xffz", 3, "a\xef\xbf\xbdz"},
		{"\xc3", 1, "\xef\xbf\xbd"},
		{"\xc3\xa1", 1, "\xef\xbf\xbd"},
		{"\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b;

		buf_init(&b, 100);
		ck_assert(buf_json(&b, cases[i].in, cases[i].n));
		ck_assert_msg(strcmp(buf_str(&b), cases[i].out) == 0, "case %zu: %s", i,
			buf_str(&b));
		buf_free(&b);
	}
}
END_TEST

/* RFC 4648 section 10 */
START_TEST(base64_is_that_of_the_rfc)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
		{"\xfb\xff\xbf", "+/+/"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b;

		buf_init(&b, 8);
		ck_assert(buf_base64(&b, cases[i][0], strlen(cases[i][0])));
		ck_assert_str_eq(buf_str(&b), cases[i][1]);
		buf_free(&b);
	}
}
END_TEST

START_TEST(stealing_empties_the_buffer)
{
	struct buf b;
	char *p;

	buf_init(&b, 10);
	buf_puts(&b, "mine");
	p = buf_steal(&b);
	ck_assert_str_eq(p, "mine");
	free(p);
	ck_assert_ptr_null(b.data);
	ck_assert(buf_puts(&b, "again"));
	buf_free(&b);
}
END_TEST

START_TEST(stealing_from_an_empty_buffer_gives_an_empty_string)
{
	struct buf b;
	char *p;

	buf_init(&b, 10);
	p = buf_steal(&b);
	ck_assert_ptr_nonnull(p);
	ck_assert_str_eq(p, "");
	free(p);
}
END_TEST

START_TEST(a_failed_buffer_is_not_stolen)
{
	struct buf b;

	buf_init(&b, 4);
	buf_puts(&b, "1234");
	buf_puts(&b, "5");
	ck_assert_ptr_null(buf_steal(&b));
	ck_assert_uint_eq(b.len, 0);
	ck_assert(!b.failed);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {an_empty_buffer_is_an_empty_string,
		the_maximum_is_exact, a_failed_append_changes_nothing_and_stays_known,
		every_way_to_append_respects_the_maximum,
		growth_keeps_the_bytes_and_ends_them, formatted_text_is_appended,
		bytes_may_hold_nul, json_text_is_always_valid,
		base64_is_that_of_the_rfc, stealing_empties_the_buffer,
		stealing_from_an_empty_buffer_gives_an_empty_string,
		a_failed_buffer_is_not_stolen, NULL};

	return unit_main(unit_suite("buf", tests));
}
