#include "lib/err.h"

#include <string.h>

#include "t/unit/unit.h"

START_TEST(the_first_error_wins)
{
	struct err e = ERR_INIT;

	ck_assert(!err_isset(&e));
	ck_assert(!err_set(&e, ERR_TIMEOUT, "after %d ms", 20));
	ck_assert(err_isset(&e));
	ck_assert(!err_set(&e, ERR_INTERNAL, "while cleaning up"));
	ck_assert_int_eq(e.code, ERR_TIMEOUT);
	ck_assert_str_eq(e.text, "after 20 ms");
}
END_TEST

START_TEST(clearing_makes_room_for_another)
{
	struct err e = {
		.code = ERR_INPUT, .status = 415, .sqlstate = "23505", .text = "x"};

	err_clear(&e);
	ck_assert(!err_isset(&e));
	ck_assert_int_eq(e.status, 0);
	ck_assert_str_eq(e.sqlstate, "");
	err_set(&e, ERR_CONFLICT, "second");
	ck_assert_str_eq(e.text, "second");
}
END_TEST

START_TEST(null_is_allowed_everywhere)
{
	ck_assert(!err_set(NULL, ERR_NOMEM, "nobody listens"));
	ck_assert(!err_isset(NULL));
	err_clear(NULL);
}
END_TEST

START_TEST(the_text_is_one_line_that_fits)
{
	struct err e = ERR_INIT;

	err_set(&e, ERR_PROTOCOL, "%s", "two\nlines\r\n");
	ck_assert_str_eq(e.text, "two lines  ");
	err_clear(&e);
	err_set(&e, ERR_PROTOCOL, "%0400d", 1);
	ck_assert_uint_eq(strlen(e.text), sizeof(e.text) - 1);
}
END_TEST

START_TEST(every_code_has_a_name_of_its_own)
{
	for (int i = ERR_NONE; i <= ERR_INTERNAL; i++) {
		ck_assert_str_ne(err_name((enum err_code)i), "unknown");
		for (int k = ERR_NONE; k < i; k++)
			ck_assert_str_ne(
				err_name((enum err_code)i), err_name((enum err_code)k));
	}
	ck_assert_str_eq(err_name(ERR_TIMEOUT), "timeout");
	ck_assert_str_eq(err_name((enum err_code)(ERR_INTERNAL + 1)), "unknown");
	ck_assert_str_eq(err_name((enum err_code) - 1), "unknown");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {the_first_error_wins,
		clearing_makes_room_for_another, null_is_allowed_everywhere,
		the_text_is_one_line_that_fits, every_code_has_a_name_of_its_own, NULL};

	return unit_main(unit_suite("err", tests));
}
