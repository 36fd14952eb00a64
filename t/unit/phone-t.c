#include "lib/phone.h"

#include <stddef.h>

#include "t/unit/unit.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

START_TEST(a_number_as_people_write_it)
{
	static const char *const cases[][2] = {{"5511999999999", "5511999999999"},
		{"+5511999999999", "5511999999999"},
		{"+55 (11) 99999-9999", "5511999999999"},
		{"55.11.9999.9999", "551199999999"},
		{"+1 (555) 010-9999", "15550109999"}, {"12345678", "12345678"},
		{"123456789012345", "123456789012345"},
		{"  5511 9999 9999  ", "551199999999"},
		{"+ 55 1199999999", "551199999999"}};
	char out[PHONE_SIZE];

	for (size_t i = 0; i < N(cases); i++) {
		ck_assert_msg(phone_digits(cases[i][0], out), "%s", cases[i][0]);
		ck_assert_str_eq(out, cases[i][1]);
	}
}
END_TEST

START_TEST(anything_else_is_refused)
{
	static const char *const cases[] = {NULL, "", "+", "-", "1234567", "+1234567",
		"1234567890123456",
		"12345678901234567890123456789012345678901234567890", "011999999999",
		"+011999999999", "0055 11 99999 9999", "(0)11999999999",
		"5511999999999@c.us", "5511x99999999", "55119999 9999\n",
		"55119999\t9999", "++551199999999", "5511+99999999", " +551199999999",
		"55/1199999999",
		"\xef\xbc\x95\xef\xbc\x95"
		"1199999999",
		"5511999999999,5511888888888"};
	char out[PHONE_SIZE];

	for (size_t i = 0; i < N(cases); i++)
		ck_assert_msg(
			!phone_digits(cases[i], out), "case %zu: %s", i, cases[i]);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_number_as_people_write_it, anything_else_is_refused, NULL};

	return unit_main(unit_suite("phone", tests));
}
