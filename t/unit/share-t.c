/* share: nobody has more of a process's threads than his part. */
#include <pthread.h>
#include <stdatomic.h>

#include "lib/share.h"
#include "t/unit/unit.h"

START_TEST(each_has_his_part)
{
	struct share_turn a = {0}, b = {0}, c = {0}, other = {0};
	struct share s;

	share_init(&s, 2);
	ck_assert(share_take(&s, &a, "ana"));
	ck_assert(share_take(&s, &b, "ana"));
	ck_assert(!share_take(&s, &c, "ana"));
	ck_assert(share_take(&s, &other, "bia"));
	share_give(&s, &a);
	ck_assert(share_take(&s, &c, "ana"));
	ck_assert(!share_take(&s, &a, "ana"));
	share_give(&s, &c);
	share_give(&s, &other);
	share_give(&s, &b);
	ck_assert_ptr_null(s.first);
	share_free(&s);
}
END_TEST

START_TEST(a_turn_counts_once)
{
	struct share_turn a = {0}, b = {0};
	struct share s;

	share_init(&s, 1);
	ck_assert(share_take(&s, &a, "ana"));
	ck_assert(share_take(&s, &a, "ana"));
	ck_assert(!share_take(&s, &b, "ana"));
	share_give(&s, &b); /* never taken: nothing */
	share_give(&s, &a);
	share_give(&s, &a);
	ck_assert(share_take(&s, &b, "ana"));
	share_give(&s, &b);
	share_free(&s);
}
END_TEST

START_TEST(without_a_share_everybody_goes)
{
	struct share_turn a = {0};

	ck_assert(share_take(NULL, &a, "ana"));
	share_give(NULL, &a);
}
END_TEST

#define THREADS 8
#define TIMES 20000

static struct share shared;
static atomic_int inside, most_inside;

static void *
come_and_go(void *ctx)
{
	(void)ctx;
	for (int i = 0; i < TIMES; i++) {
		struct share_turn t = {0};
		int now;

		if (!share_take(&shared, &t, "ana"))
			continue;
		now = atomic_fetch_add(&inside, 1) + 1;
		if (now > atomic_load(&most_inside))
			atomic_store(&most_inside, now);
		atomic_fetch_sub(&inside, 1);
		share_give(&shared, &t);
	}
	return NULL;
}

START_TEST(many_threads_keep_to_it)
{
	pthread_t threads[THREADS];

	share_init(&shared, 3);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_le(atomic_load(&most_inside), 3);
	ck_assert_int_ge(atomic_load(&most_inside), 1);
	ck_assert_ptr_null(shared.first);
	share_free(&shared);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {each_has_his_part, a_turn_counts_once,
		without_a_share_everybody_goes, many_threads_keep_to_it, NULL};

	return unit_main(unit_suite("share", tests));
}
