#include "lib/clock.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "t/unit/unit.h"

START_TEST(a_deadline_counts_down_to_zero)
{
	ck_assert_int_eq(deadline_left(clock_ms() - 1), 0);
	ck_assert_int_eq(deadline_left(INT64_MIN / 2), 0);
	ck_assert_int_gt(deadline_left(deadline_in(60000)), 0);
	ck_assert_int_le(deadline_left(deadline_in(60000)), 60000);
}
END_TEST

START_TEST(what_poll_gets_never_overflows)
{
	ck_assert_int_eq(deadline_left(INT64_MAX / 2), INT_MAX);
	ck_assert_int_eq(
		deadline_left(deadline_in((int64_t)INT_MAX + 100000)), INT_MAX);
}
END_TEST

START_TEST(the_earlier_deadline_wins)
{
	ck_assert_int_eq(deadline_min(5, 7), 5);
	ck_assert_int_eq(deadline_min(7, 5), 5);
	ck_assert_int_eq(deadline_min(-1, 0), -1);
}
END_TEST

START_TEST(sleep_lasts_as_asked)
{
	int64_t before = clock_us();

	ck_assert(clock_sleep(20, deadline_in(60000)));
	/* a millisecond may be lost to rounding, never more */
	ck_assert_int_ge(clock_us() - before, 19000);
}
END_TEST

START_TEST(sleep_ends_with_the_deadline)
{
	/* the alarm of the test framework ends what sleeps an hour */
	ck_assert(!clock_sleep(3600000, deadline_in(10)));
	ck_assert(!clock_sleep(3600000, clock_ms() - 1));
}
END_TEST

START_TEST(the_two_units_are_one_clock)
{
	int64_t ms = clock_ms(), us = clock_us();

	ck_assert_int_ge(us / 1000, ms);
	ck_assert_int_lt(us / 1000 - ms, 60000);
	ck_assert_int_lt(llabs(clock_wall_ms() / 1000 - (int64_t)time(NULL)), 60);
}
END_TEST

START_TEST(timestamps_are_rfc_3339)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00.000Z"},
		{7, "1970-01-01T00:00:00.007Z"},
		{951782400000, "2000-02-29T00:00:00.000Z"},
		{1769860800123, "2026-01-31T12:00:00.123Z"},
		{4102444799999, "2099-12-31T23:59:59.999Z"},
	};
	char out[25];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		clock_rfc3339(cases[i].ms, out, sizeof(out));
		ck_assert_str_eq(out, cases[i].text);
	}
}
END_TEST

START_TEST(jitter_stays_in_range_and_reaches_both_ends)
{
	int seen[4] = {0};

	ck_assert_uint_eq(clock_jitter(0), 0);
	ck_assert_uint_eq(clock_jitter(1), 0);
	for (int i = 0; i < 1000; i++) {
		uint32_t v = clock_jitter(4);

		ck_assert_uint_lt(v, 4);
		seen[v]++;
	}
	for (int i = 0; i < 4; i++)
		ck_assert_int_gt(seen[i], 100);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {a_deadline_counts_down_to_zero,
		what_poll_gets_never_overflows, the_earlier_deadline_wins,
		sleep_lasts_as_asked, sleep_ends_with_the_deadline,
		the_two_units_are_one_clock, timestamps_are_rfc_3339,
		jitter_stays_in_range_and_reaches_both_ends, NULL};

	return unit_main(unit_suite("clock", tests));
}
