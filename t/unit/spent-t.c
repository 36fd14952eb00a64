#include "lib/spent.h"

#include <pthread.h>

#include "lib/clock.h"
#include "t/unit/unit.h"

START_TEST(times_of_a_kind_are_added)
{
	int64_t first;

	spent_reset();
	spent_since(SPENT_DB, clock_us() - 1000);
	first = spent_us(SPENT_DB);
	ck_assert_int_ge(first, 1000);
	spent_since(SPENT_DB, clock_us() - 500);
	ck_assert_int_ge(spent_us(SPENT_DB), first + 500);
	ck_assert_int_eq(spent_us(SPENT_HTTP), 0);
}
END_TEST

START_TEST(a_request_begins_with_nothing)
{
	spent_since(SPENT_QR, clock_us() - 1000);
	spent_reset();
	ck_assert_int_eq(spent_us(SPENT_QR), 0);
}
END_TEST

static void *
spend(void *arg)
{
	(void)arg;
	spent_since(SPENT_HTTP, clock_us() - 1000000);
	return NULL;
}

START_TEST(a_thread_does_not_see_what_another_spends)
{
	pthread_t other;

	spent_reset();
	ck_assert_int_eq(pthread_create(&other, NULL, spend, NULL), 0);
	pthread_join(other, NULL);
	ck_assert_int_eq(spent_us(SPENT_HTTP), 0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {times_of_a_kind_are_added,
		a_request_begins_with_nothing,
		a_thread_does_not_see_what_another_spends, NULL};

	return unit_main(unit_suite("spent", tests));
}
