#include "lib/qr-life.h"

#include "t/unit/unit.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

#define UNTOLD (-1)

START_TEST(the_time_since_the_first_tells_when_the_present_one_goes)
{
	static const struct {
		const struct gateway *gw;
		int64_t shown_ms, left_ms;
	} rows[] = {
		{&gateway_waha, 0, 60000},
		{&gateway_waha, 59999, 1},
		{&gateway_waha, 60000, 20000},
		{&gateway_waha, 79000, 1000},
		{&gateway_waha, 80000, 20000},
		{&gateway_waha, 139999, 1},
		{&gateway_evolution, 0, 45000},
		{&gateway_evolution, 50000, 40000},
	};

	for (size_t i = 0; i < N(rows); i++)
		ck_assert_msg(qr_life_left(rows[i].gw, rows[i].shown_ms, UNTOLD) ==
				rows[i].left_ms,
			"row %zu", i);
}
END_TEST

START_TEST(what_the_gateway_told_of_is_nearer_the_truth)
{
	ck_assert_int_eq(qr_life_left(&gateway_waha, 5000, 5200), 54800);
	ck_assert_int_eq(qr_life_left(&gateway_waha, 59950, 50), 19950);
	ck_assert_int_eq(qr_life_left(&gateway_evolution, 47000, 2000), 43000);
}
END_TEST

START_TEST(an_event_that_is_too_old_or_of_the_future_tells_nothing)
{
	ck_assert_int_eq(qr_life_left(&gateway_waha, 85000, 85000), 15000);
	ck_assert_int_eq(qr_life_left(&gateway_waha, 85000, 25000), 15000);
	ck_assert_int_eq(qr_life_left(&gateway_waha, 5000, -3000), 55000);
}
END_TEST

START_TEST(where_asking_begins_a_run_time_tells_nothing)
{
	ck_assert_int_eq(qr_life_left(&gateway_gowa, 1000, 1000), 0);
}
END_TEST

START_TEST(clocks_that_disagree_tell_nothing)
{
	ck_assert_int_eq(qr_life_left(&gateway_waha, -1, UNTOLD), 0);
}
END_TEST

START_TEST(what_is_not_known_is_not_said)
{
	json_t *o = json_object();

	qr_life_add(o, 0);
	ck_assert_uint_eq(json_object_size(o), 0);
	qr_life_add(o, 12999);
	ck_assert_int_eq(json_integer_value(json_object_get(o, "expiresIn")), 12);
	qr_life_add(o, 3);
	ck_assert_int_eq(json_integer_value(json_object_get(o, "expiresIn")), 1);
	json_decref(o);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		the_time_since_the_first_tells_when_the_present_one_goes,
		what_the_gateway_told_of_is_nearer_the_truth,
		an_event_that_is_too_old_or_of_the_future_tells_nothing,
		where_asking_begins_a_run_time_tells_nothing,
		clocks_that_disagree_tell_nothing, what_is_not_known_is_not_said, NULL};

	return unit_main(unit_suite("qr-life", tests));
}
