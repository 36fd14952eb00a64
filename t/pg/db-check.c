/* lib/db against a real PostgreSQL: statements, time, transactions, LISTEN. t/db.t runs it. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t/pg/pg.h"

static const struct db_stmt stmt_sleep = {"sleep", "SELECT pg_sleep(30)", 0};
static const struct db_stmt stmt_insert = {
	"insert", "INSERT INTO db_check VALUES ($1)", 1};
static const struct db_stmt stmt_count = {
	"count", "SELECT count(*) FROM db_check WHERE n = $1", 1};
static const struct db_stmt stmt_notify = {"notify", "NOTIFY wapool", 0};

/* --- statements */

START_TEST(parameters_go_out_and_fields_come_back)
{
	static const struct db_stmt s = {"fields",
		"SELECT $1::int + 1, $2::text, $1 IS NULL, $2 IS NULL, true, "
		"NULL::int, "
		"NULL::boolean, 9223372036854775807, -5",
		2};
	struct db_pool *p = pg_pool(1, AMPLE);
	struct err e = ERR_INIT;
	PGresult *r = db_query(p, deadline_in(AMPLE), &s,
		(const char *[]){"41", "x'; DROP TABLE users; --"}, &e);

	ck_assert_msg(r != NULL, "%s", e.text);
	ck_assert_int_eq(db_int(r, 0, 0), 42);
	ck_assert_str_eq(db_text(r, 0, 1), "x'; DROP TABLE users; --");
	ck_assert(!db_bool(r, 0, 2) && !db_bool(r, 0, 3) && db_bool(r, 0, 4));
	ck_assert_ptr_null(db_text(r, 0, 5));
	ck_assert_int_eq(db_int(r, 0, 5), 0);
	ck_assert(!db_bool(r, 0, 6));
	ck_assert_int_eq(db_int(r, 0, 7), INT64_MAX);
	ck_assert_int_eq(db_int(r, 0, 8), -5);
	PQclear(r);
	r = db_query(p, deadline_in(AMPLE), &s, (const char *[]){NULL, NULL}, &e);
	ck_assert_msg(r != NULL, "%s", e.text);
	ck_assert_ptr_null(db_text(r, 0, 0));
	ck_assert(db_bool(r, 0, 2) && db_bool(r, 0, 3));
	PQclear(r);
	db_pool_free(p);
}
END_TEST

START_TEST(what_is_larger_than_any_buffer_gets_through)
{
	static const struct db_stmt s = {
		"large", "SELECT length($1), repeat($1, 4)", 1};
	enum { SIZE = 4 << 20 };
	struct db_pool *p = pg_pool(1, AMPLE);
	struct err e = ERR_INIT;
	char *text = malloc(SIZE + 1);
	PGresult *r;

	memset(text, 'x', SIZE);
	text[SIZE] = '\0';
	r = db_query(p, deadline_in(AMPLE), &s, (const char *[]){text}, &e);
	ck_assert_msg(r != NULL, "%s", e.text);
	ck_assert_int_eq(db_int(r, 0, 0), SIZE);
	ck_assert_uint_eq(strlen(db_text(r, 0, 1)), 4u * SIZE);
	PQclear(r);
	free(text);
	db_pool_free(p);
}
END_TEST

START_TEST(errors_have_their_kind)
{
	static const struct {
		struct db_stmt s;
		enum err_code code;
		const char *state;
	} cases[] = {{{"twice", "INSERT INTO db_check VALUES (1), (1)", 0},
			     ERR_CONFLICT, "23505"},
		{{"null", "INSERT INTO db_check VALUES (NULL)", 0}, ERR_CONFLICT,
			"23502"},
		{{"serial", "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", 0},
			ERR_CONFLICT, "40001"},
		{{"zero", "SELECT 1 / 0", 0}, ERR_INTERNAL, "22012"},
		{{"syntax", "SELEC 1", 0}, ERR_INTERNAL, "42601"},
		{{"absent", "SELECT * FROM nowhere", 0}, ERR_INTERNAL, "42P01"},
		{{"full", "DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", 0},
			ERR_UNAVAILABLE, "53100"},
		{{"readonly", "DO $$ BEGIN RAISE SQLSTATE '25006'; END $$", 0},
			ERR_UNAVAILABLE, "25006"},
		{{"lock", "DO $$ BEGIN RAISE SQLSTATE '55P03'; END $$", 0}, ERR_TIMEOUT,
			"55P03"}};
	struct db_pool *p = pg_pool(1, AMPLE);
	int64_t pid = pg_number(p, &pg_pid_stmt, NULL);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = ERR_INIT;
		PGresult *r = db_query(p, deadline_in(AMPLE), &cases[i].s, NULL, &e);

		ck_assert_ptr_null(r);
		ck_assert_msg(e.code == cases[i].code, "%s: %s: %s", cases[i].s.name,
			err_name(e.code), e.text);
		ck_assert_str_eq(e.sqlstate, cases[i].state);
	}
	ck_assert_msg(pg_number(p, &pg_pid_stmt, NULL) == pid,
		"the connection was thrown away");
	db_pool_free(p);
}
END_TEST

START_TEST(several_in_one_transaction)
{
	static const struct db_stmt s = {
		"several", "SELECT $1::int + 1, txid_current()", 1};
	struct db_pool *p = pg_pool(1, AMPLE);
	const char *const *params[] = {
		(const char *[]){"1"}, (const char *[]){"2"}, (const char *[]){"3"}};
	struct err e = ERR_INIT;
	PGresult *r[3];

	for (int time = 0; time < 2; time++) {
		ck_assert_msg(db_query_all(p, deadline_in(AMPLE), &s, params, 3, r, &e),
			"%s", e.text);
		for (int i = 0; i < 3; i++) {
			ck_assert_int_eq(db_int(r[i], 0, 0), i + 2);
			ck_assert_int_eq(db_int(r[i], 0, 1), db_int(r[0], 0, 1));
		}
		for (int i = 0; i < 3; i++)
			PQclear(r[i]);
	}
	db_pool_free(p);
}
END_TEST

START_TEST(several_are_done_all_or_none)
{
	static const struct db_stmt s = {"all_or_none",
		"INSERT INTO db_check VALUES ($1::int) RETURNING 10 / ($1::int - 2)",
		1};
	static const struct db_stmt count = {
		"count", "SELECT count(*), pg_backend_pid() FROM db_check", 0};
	struct db_pool *p = pg_pool(1, AMPLE);
	const char *const *params[] = {
		(const char *[]){"1"}, (const char *[]){"2"}, (const char *[]){"1"}};
	struct err e = ERR_INIT;
	PGresult *r[3], *before, *after;

	before = db_query(p, deadline_in(AMPLE), &count, NULL, &e);
	ck_assert_ptr_nonnull(before);
	ck_assert(!db_query_all(p, deadline_in(AMPLE), &s, params, 3, r, &e));
	ck_assert_int_eq(e.code, ERR_INTERNAL);
	ck_assert_str_eq(e.sqlstate, "22012"); /* the first that failed */
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_null(r[i]);
	err_clear(&e);
	after = db_query(p, deadline_in(AMPLE), &count, NULL, &e);
	ck_assert_msg(after != NULL, "%s", e.text);
	ck_assert_int_eq(db_int(after, 0, 0), db_int(before, 0, 0));
	ck_assert_int_eq(db_int(after, 0, 1), db_int(before, 0, 1)); /* kept */
	PQclear(before);
	PQclear(after);
	db_pool_free(p);
}
END_TEST

START_TEST(several_end_with_their_deadline)
{
	static const struct db_stmt s = {
		"several_slow", "SELECT pg_sleep($1::float8)", 1};
	struct db_pool *p = pg_pool(1, AMPLE);
	const char *const *params[] = {
		(const char *[]){"0"}, (const char *[]){"30"}, (const char *[]){"0"}};
	struct err e = ERR_INIT;
	PGresult *r[3];

	ck_assert(!db_query_all(p, deadline_in(300), &s, params, 3, r, &e));
	ck_assert_int_eq(e.code, ERR_TIMEOUT);
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_null(r[i]);
	err_clear(&e);
	ck_assert_msg(db_query_all(p, deadline_in(AMPLE), &s,
			      (const char *const *[]){params[0]}, 1, r, &e),
		"another connection: %s", e.text);
	PQclear(r[0]);
	db_pool_free(p);
}
END_TEST

START_TEST(several_end_with_their_server_process)
{
	static const struct db_stmt s = {"several_ended",
		"SELECT CASE WHEN $1::bool THEN pg_terminate_backend(pg_backend_pid()) "
		"END",
		1};
	struct db_pool *p = pg_pool(1, AMPLE);
	const char *const *params[] = {(const char *[]){"false"},
		(const char *[]){"true"}, (const char *[]){"false"}};
	struct err e = ERR_INIT;
	PGresult *r[3];

	ck_assert(!db_query_all(p, deadline_in(AMPLE), &s, params, 3, r, &e));
	ck_assert_int_eq(e.code, ERR_UNAVAILABLE);
	err_clear(&e);
	ck_assert_msg(db_query_all(p, deadline_in(AMPLE), &s, params, 1, r, &e), "%s",
		e.text);
	PQclear(r[0]);
	db_pool_free(p);
}
END_TEST

START_TEST(a_notice_does_not_spoil_the_log)
{
	static const struct db_stmt s = {
		"notice", "DO $$ BEGIN RAISE NOTICE 'CANARY'; END $$", 0};
	struct db_pool *p = pg_pool(1, AMPLE);
	struct err e = ERR_INIT;
	char text[1000] = "";
	int saved = dup(2), fds[2];

	ck_assert_int_eq(pipe2(fds, O_NONBLOCK), 0);
	dup2(fds[1], 2);
	PQclear(db_query(p, deadline_in(AMPLE), &s, NULL, &e));
	dup2(saved, 2);
	ck_assert_int_eq(e.code, ERR_NONE);
	ck_assert_msg(
		read(fds[0], text, sizeof(text) - 1) <= 0 || *text == '{', "%s", text);
	close(fds[0]);
	close(fds[1]);
	close(saved);
	db_pool_free(p);
}
END_TEST

START_TEST(a_connection_runs_any_number_of_statements)
{
	static struct db_stmt many[200];
	static char names[200][16];
	struct db_pool *p = pg_pool(1, AMPLE);
	struct db_conn *c = pg_get(p);
	struct err e = ERR_INIT;

	for (int i = 0; i < 400; i++) { /* each of them twice */
		struct db_stmt *s = &many[i % 200];
		char number[DB_PARAM_SIZE];
		PGresult *r;

		snprintf(names[i % 200], sizeof(names[0]), "many%d", i % 200);
		*s = (struct db_stmt){names[i % 200], "SELECT $1::int", 1};
		r = db_exec(c, deadline_in(AMPLE), s,
			(const char *[]){db_param_int(number, i)}, &e);
		ck_assert_msg(r != NULL, "%d: %s", i, e.text);
		ck_assert_int_eq(db_int(r, 0, 0), i);
		PQclear(r);
	}
	db_put(p, c);
	db_pool_free(p);
}
END_TEST

/* --- time */

START_TEST(a_statement_that_takes_too_long_is_cancelled)
{
	struct db_pool *p = pg_pool(1, 100);
	struct err e = ERR_INIT;
	struct db_conn *c = pg_get(p);

	ck_assert_ptr_null(db_exec(c, deadline_in(AMPLE), &stmt_sleep, NULL, &e));
	ck_assert_int_eq(e.code, ERR_TIMEOUT);
	ck_assert_str_eq(e.sqlstate, "57014");
	ck_assert_msg(db_alive(c), "the server cancelled it, the connection is fine");
	db_put(p, c);
	db_pool_free(p);
}
END_TEST

START_TEST(a_deadline_that_passes_breaks_the_connection)
{
	struct db_pool *p = pg_pool(1, AMPLE);
	struct err e = ERR_INIT;
	struct db_conn *c = pg_get(p);
	int64_t pid = pg_pid(c);

	ck_assert_ptr_null(db_exec(c, deadline_in(100), &stmt_sleep, NULL, &e));
	ck_assert_int_eq(e.code, ERR_TIMEOUT);
	ck_assert_msg(!db_alive(c), "its answer would come to the next statement");
	db_put(p, c);
	ck_assert_int_ne(pg_number(p, &pg_pid_stmt, NULL), pid);
	db_pool_free(p);
}
END_TEST

/* --- transactions */

START_TEST(a_transaction_is_kept_or_forgotten)
{
	struct db_pool *p = pg_pool(1, AMPLE);
	struct err e = ERR_INIT;
	struct db_conn *c = pg_get(p);

	ck_assert(db_begin(c, deadline_in(AMPLE), &e));
	PQclear(db_exec(
		c, deadline_in(AMPLE), &stmt_insert, (const char *[]){"100"}, &e));
	ck_assert(db_commit(c, deadline_in(AMPLE), &e));
	ck_assert(db_begin(c, deadline_in(AMPLE), &e));
	PQclear(db_exec(
		c, deadline_in(AMPLE), &stmt_insert, (const char *[]){"101"}, &e));
	db_rollback(c, deadline_in(AMPLE));
	ck_assert_msg(db_alive(c), "it is as good as before");
	db_rollback(c, deadline_in(AMPLE));
	db_put(p, c);
	ck_assert_int_eq(e.code, ERR_NONE);
	ck_assert_int_eq(pg_number(p, &stmt_count, "100"), 1);
	ck_assert_int_eq(pg_number(p, &stmt_count, "101"), 0);
	db_pool_free(p);
}
END_TEST

START_TEST(what_is_left_open_is_undone)
{
	struct db_pool *p = pg_pool(1, AMPLE);
	struct err e = ERR_INIT;
	struct db_conn *c = pg_get(p);
	int64_t pid = pg_pid(c);

	ck_assert(db_begin(c, deadline_in(AMPLE), &e));
	PQclear(db_exec(
		c, deadline_in(AMPLE), &stmt_insert, (const char *[]){"102"}, &e));
	db_put(p, c);
	ck_assert_msg(pg_number(p, &pg_pid_stmt, NULL) != pid,
		"it was lent out in a transaction");
	ck_assert_int_eq(pg_number(p, &stmt_count, "102"), 0);
	db_pool_free(p);
}
END_TEST

START_TEST(a_failed_transaction_does_not_commit)
{
	static const struct db_stmt zero = {"zero", "SELECT 1 / 0", 0};
	struct db_pool *p = pg_pool(1, AMPLE);
	struct err e = ERR_INIT;
	struct db_conn *c = pg_get(p);

	ck_assert(db_begin(c, deadline_in(AMPLE), &e));
	PQclear(db_exec(
		c, deadline_in(AMPLE), &stmt_insert, (const char *[]){"103"}, &e));
	ck_assert_ptr_null(db_exec(c, deadline_in(AMPLE), &zero, NULL, &e));
	db_rollback(c, deadline_in(AMPLE));
	ck_assert(db_alive(c));
	db_put(p, c);
	ck_assert_int_eq(pg_number(p, &stmt_count, "103"), 0);
	db_pool_free(p);
}
END_TEST

/* --- LISTEN */

/* The first wait is what makes it listen. */
static void
listen_with(struct db_conn *c)
{
	ck_assert_msg(!db_wait(c, deadline_in(500)), "nothing came yet");
	ck_assert(db_alive(c));
}

START_TEST(a_notify_wakes)
{
	struct db_pool *p = pg_pool(1, AMPLE), *other = pg_pool(1, AMPLE);
	struct db_conn *c = pg_get(p);

	listen_with(c);
	ck_assert_msg(!db_wait(c, deadline_in(50)), "still nothing");
	ck_assert(db_alive(c));
	db_notify(other, deadline_in(AMPLE), &stmt_notify);
	db_notify(other, deadline_in(AMPLE), &stmt_notify);
	ck_assert(db_wait(c, deadline_in(AMPLE)));
	db_notify(other, deadline_in(AMPLE), &stmt_notify);
	ck_assert_msg(db_wait(c, deadline_in(AMPLE)), "each time");
	db_put(p, c);
	db_pool_free(other);
	db_pool_free(p);
}
END_TEST

START_TEST(a_listener_is_not_lent_to_others)
{
	struct db_pool *p = pg_pool(1, AMPLE);
	struct db_conn *c = pg_get(p);
	int64_t pid = pg_pid(c);

	listen_with(c);
	db_put(p, c);
	ck_assert_int_ne(pg_number(p, &pg_pid_stmt, NULL), pid);
	db_pool_free(p);
}
END_TEST

START_TEST(a_listener_notices_that_its_connection_ended)
{
	struct db_pool *p = pg_pool(1, AMPLE);
	struct db_conn *c = pg_get(p);
	int64_t pid = pg_pid(c);

	listen_with(c);
	pg_terminate(pid);
	for (int i = 0; i < 10 && db_alive(c); i++)
		ck_assert(!db_wait(c, deadline_in(AMPLE)));
	ck_assert(!db_alive(c));
	db_put(p, c);
	db_pool_free(p);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {parameters_go_out_and_fields_come_back,
		what_is_larger_than_any_buffer_gets_through, errors_have_their_kind,
		several_in_one_transaction, several_are_done_all_or_none,
		several_end_with_their_deadline, several_end_with_their_server_process,
		a_notice_does_not_spoil_the_log,
		a_connection_runs_any_number_of_statements,
		a_statement_that_takes_too_long_is_cancelled,
		a_deadline_that_passes_breaks_the_connection,
		a_transaction_is_kept_or_forgotten, what_is_left_open_is_undone,
		a_failed_transaction_does_not_commit, a_notify_wakes,
		a_listener_is_not_lent_to_others,
		a_listener_notices_that_its_connection_ended, NULL};

	return pg_main(unit_suite("db", tests));
}
