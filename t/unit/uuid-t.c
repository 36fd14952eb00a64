#include "lib/uuid.h"

#include <stddef.h>
#include <string.h>

#include "t/unit/unit.h"

#define GOOD "0f8fad5b-d9cb-469f-a165-70867728950e"

START_TEST(the_form_counts_in_either_case)
{
	ck_assert(uuid_valid(GOOD));
	ck_assert(uuid_valid("0F8FAD5B-D9CB-469F-A165-70867728950E"));
	ck_assert(uuid_valid("0f8Fad5b-D9cb-469F-a165-70867728950e"));
	/* the nil and max ids of RFC 9562 have the form too */
	ck_assert(uuid_valid("00000000-0000-0000-0000-000000000000"));
	ck_assert(uuid_valid("ffffffff-ffff-ffff-ffff-ffffffffffff"));
}
END_TEST

START_TEST(no_other_form_is_one)
{
	static const char *const cases[] = {NULL, "", "-", "0f8fad5b",
		"0f8fad5bd9cb469fa16570867728950e", "{" GOOD "}", "urn:uuid:" GOOD,
		GOOD "0", GOOD " ", " " GOOD, GOOD "\n",
		"0f8fad5b-d9cb-469f-a165-70867728950",
		"0f8fad5b-d9cb-469f-a165-70867728950g",
		"0f8fad5b_d9cb_469f_a165_70867728950e",
		"0f8fad5bd-9cb-469f-a165-70867728950e",
		"0f8fad5b-d9cb-469f-a16-570867728950e",
		"------------------------------------",
		"0f8fad5b-d9cb-469f-a165-7086772895\xc3\xa9",
		"0f8fad5b-d9cb-469f-a165-70867728950e' OR '1'='1"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ck_assert_msg(!uuid_valid(cases[i]), "case %zu: %s", i, cases[i]);
}
END_TEST

START_TEST(each_place_is_looked_at)
{
	for (size_t i = 0; i < strlen(GOOD); i++) {
		char text[] = GOOD;

		text[i] = text[i] == '-' ? '0' : '-';
		ck_assert_msg(!uuid_valid(text), "%s", text);
		text[i] = '\0';
		ck_assert_msg(!uuid_valid(text), "%s", text);
	}
}
END_TEST

START_TEST(made_ids_are_valid_and_never_the_same)
{
	char one[37], two[37];

	uuid_make(one);
	uuid_make(two);
	ck_assert(uuid_valid(one));
	ck_assert(uuid_valid(two));
	ck_assert_str_ne(one, two);
	ck_assert_int_eq(one[14], '4');
	ck_assert_ptr_nonnull(strchr("89ab", one[19]));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {the_form_counts_in_either_case,
		no_other_form_is_one, each_place_is_looked_at,
		made_ids_are_valid_and_never_the_same, NULL};

	return unit_main(unit_suite("uuid", tests));
}
