/* rate.c over a database that answers what the test says; SQL's part is t/db/balance.sql's. */
#include "lib/rate.h"

#include <stdlib.h>
#include <string.h>

#include "lib/db.h"
#include "t/unit/unit.h"

static const char *answer; /* milliseconds, NULL for SQL's */
static const char *later;  /* the answer from the second question on */
static enum err_code failure;
static int64_t asked_longest;
static bool asked_patiently;
static int asked;

static PGresult *
answered(struct db_pool *p, deadline_t d, const struct db_stmt *s,
	const char *const *params, struct err *e)
{
	PGresAttDesc column = {.name = (char *)"wait", .typid = 20, .typlen = 8};
	PGresult *r;

	(void)p;
	(void)d;
	ck_assert_int_eq(s->nparams, 3);
	asked++;
	asked_patiently = strcmp(params[2], "true") == 0;
	ck_assert_str_eq(params[0], "0f8fad5b-d9cb-469f-a165-70867728950e");
	asked_longest = strtoll(params[1], NULL, 10);
	if (failure != ERR_NONE) {
		err_set(e, failure, "the database");
		return NULL;
	}
	if (later != NULL && asked > 1)
		answer = later;
	r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	ck_assert(PQsetResultAttrs(r, 1, &column));
	ck_assert(PQsetvalue(r, 0, 0, (char *)(uintptr_t)answer,
		answer != NULL ? (int)strlen(answer) : -1));
	return r;
}

#define db_query answered
#include "lib/rate.c" /* with that db_query */

static struct rate limit = {.server_id = "0f8fad5b-d9cb-469f-a165-70867728950e"};

static bool
admitted(const char *wait, int deadline_ms, struct err *e)
{
	answer = wait;
	failure = ERR_NONE;
	err_clear(e);
	return rate_admit(&limit, deadline_in(deadline_ms), e);
}

START_TEST(who_need_not_wait_is_admitted)
{
	struct err e = ERR_INIT;

	ck_assert(admitted("0", 5000, &e));
	ck_assert_int_eq(e.code, ERR_NONE);
	ck_assert_int_gt(asked_longest, 0); /* no longer than he can */
	ck_assert_int_le(asked_longest, 5000);
	ck_assert(admitted("20", 5000, &e));
	ck_assert(admitted("0", 5000, NULL));
}
END_TEST

START_TEST(who_would_wait_too_long_is_told_what_a_gateway_would_say)
{
	struct err e = ERR_INIT;

	ck_assert(!admitted(NULL, 5000, &e));
	ck_assert_int_eq(e.code, ERR_UNAVAILABLE);
	ck_assert_int_eq(e.status, 429);
	/* admitted in time, and then the clock went on */
	ck_assert(!admitted("5000", 20, &e));
	ck_assert_int_eq(e.status, 429);
	ck_assert(!admitted(NULL, 5000, NULL));
}
END_TEST

START_TEST(who_is_patient_takes_nothing_in_advance)
{
	struct rate last = limit;
	struct err e = ERR_INIT;

	last.patient = true;
	answer = NULL;
	failure = ERR_NONE;
	ck_assert(!rate_admit(&last, deadline_in(700), &e));
	ck_assert_int_eq(e.status, 429);
	ck_assert(asked_patiently);
	ck_assert_int_eq(asked_longest, 0);
	asked = 0;
	later = "0";
	ck_assert(rate_admit(&last, deadline_in(20000), NULL));
	ck_assert_int_eq(asked, 2); /* he asks again */
	later = NULL;
	ck_assert(rate_admit(&last, deadline_in(1000), NULL));
	ck_assert(rate_admit(&limit, deadline_in(1000), NULL));
	ck_assert(!asked_patiently);
}
END_TEST

START_TEST(a_failing_database_is_no_limit_reached)
{
	struct err e = ERR_INIT;

	failure = ERR_TIMEOUT;
	ck_assert(!rate_admit(&limit, deadline_in(1000), &e));
	ck_assert_int_eq(e.code, ERR_TIMEOUT);
	ck_assert_int_eq(e.status, 0);
}
END_TEST

START_TEST(the_first_error_stays)
{
	struct err e = ERR_INIT;

	err_set(&e, ERR_CONFLICT, "before");
	answer = NULL;
	failure = ERR_NONE;
	ck_assert(!rate_admit(&limit, deadline_in(1000), &e));
	ck_assert_int_eq(e.code, ERR_CONFLICT);
	ck_assert_int_eq(e.status, 0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {who_need_not_wait_is_admitted,
		who_would_wait_too_long_is_told_what_a_gateway_would_say,
		who_is_patient_takes_nothing_in_advance,
		a_failing_database_is_no_limit_reached, the_first_error_stays, NULL};

	return unit_main(unit_suite("rate", tests));
}
