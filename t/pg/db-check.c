/*
 * lib/db against a real PostgreSQL, as t/db.t runs it: WAPOOL_TEST_DATABASE_URL names a
 * database of ours; on the descriptor WAPOOL_TEST_CONTROL the server is stopped and
 * started for us ("stop" or "start" and a newline, answered by "done" and a newline).
 */
#include "lib/db.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

#include "t/unit/fake-http.h"

#define AMPLE 20000 /* ms: longer than anything here takes */
#define THREADS 8

static const struct db_stmt stmt_pid = {"pid", "SELECT pg_backend_pid()", 0};
static const struct db_stmt stmt_sleep = {"sleep", "SELECT pg_sleep(30)", 0};
static const struct db_stmt stmt_insert = {
	"insert", "INSERT INTO db_check VALUES ($1)", 1};
static const struct db_stmt stmt_count = {
	"count", "SELECT count(*) FROM db_check WHERE n = $1", 1};
static const struct db_stmt stmt_kill = {
	"kill", "SELECT pg_terminate_backend($1, 10000)", 1};
static const struct db_stmt stmt_notify = {"notify", "NOTIFY wapool", 0};

static const char *url;
static int control;

static struct db_pool *
pool(int size, int timeout_ms)
{
	struct err e = ERR_INIT;
	struct db_pool *p = db_pool_new(url, "db-check", size, timeout_ms, &e);

	ck_assert_msg(p != NULL, "%s", e.text);
	return p;
}

/* Runs a statement, in a connection of p's, whose first field is a number. */
static int64_t
number(struct db_pool *p, const struct db_stmt *s, const char *param)
{
	struct err e = ERR_INIT;
	PGresult *r = db_query(p, deadline_in(AMPLE), s, &param, &e);
	int64_t n;

	ck_assert_msg(r != NULL, "%s: %s", s->name, e.text);
	n = PQntuples(r) > 0 ? db_int(r, 0, 0) : 0;
	PQclear(r);
	return n;
}

static struct db_conn *
get(struct db_pool *p)
{
	struct err e = ERR_INIT;
	struct db_conn *c = db_get(p, deadline_in(AMPLE), &e);

	ck_assert_msg(c != NULL, "%s", e.text);
	return c;
}

static int64_t
pid_of(struct db_conn *c)
{
	struct err e = ERR_INIT;
	PGresult *r = db_exec(c, deadline_in(AMPLE), &stmt_pid, NULL, &e);
	int64_t pid;

	ck_assert_msg(r != NULL, "%s", e.text);
	pid = db_int(r, 0, 0);
	PQclear(r);
	return pid;
}

/* Ends a backend as an administrator would, and waits until it is gone. */
static void
terminate(int64_t pid)
{
	struct db_pool *p = pool(1, AMPLE);
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)pid);
	number(p, &stmt_kill, text);
	db_pool_free(p);
}

static void
command(const char *word)
{
	char answer[5];
	size_t n = 0;

	ck_assert_int_eq(write(control, word, strlen(word)), (ssize_t)strlen(word));
	while (n < sizeof(answer)) {
		ssize_t got = read(control, answer + n, sizeof(answer) - n);

		ck_assert_int_gt(got, 0);
		n += (size_t)got;
	}
	ck_assert_int_eq(memcmp(answer, "done\n", 5), 0);
}

/* --- statements */

START_TEST(parameters_go_out_and_fields_come_back)
{
	static const struct db_stmt s = {"fields",
		"SELECT $1::int + 1, $2::text, $1 IS NULL, $2 IS NULL, true, "
		"NULL::int, "
		"NULL::boolean, 9223372036854775807, -5",
		2};
	struct db_pool *p = pool(1, AMPLE);
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
	struct db_pool *p = pool(1, AMPLE);
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
	struct db_pool *p = pool(1, AMPLE);
	int64_t pid = number(p, &stmt_pid, NULL);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = ERR_INIT;
		PGresult *r = db_query(p, deadline_in(AMPLE), &cases[i].s, NULL, &e);

		ck_assert_ptr_null(r);
		ck_assert_msg(e.code == cases[i].code, "%s: %s: %s", cases[i].s.name,
			err_name(e.code), e.text);
		ck_assert_str_eq(e.sqlstate, cases[i].state);
	}
	ck_assert_msg(
		number(p, &stmt_pid, NULL) == pid, "the connection was thrown away");
	db_pool_free(p);
}
END_TEST

START_TEST(a_notice_does_not_spoil_the_log)
{
	static const struct db_stmt s = {
		"notice", "DO $$ BEGIN RAISE NOTICE 'CANARY'; END $$", 0};
	struct db_pool *p = pool(1, AMPLE);
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

START_TEST(a_connection_has_room_for_every_statement_of_a_program)
{
	static struct db_stmt many[65];
	static char names[65][16];
	struct db_pool *p = pool(1, AMPLE);
	struct db_conn *c = get(p);
	struct err e = ERR_INIT;

	for (int i = 0; i < 65; i++) {
		PGresult *r;

		snprintf(names[i], sizeof(names[i]), "many%d", i);
		many[i] = (struct db_stmt){names[i], "SELECT 1", 0};
		r = db_exec(c, deadline_in(AMPLE), &many[i], NULL, &e);
		ck_assert_msg((r != NULL) == (i < 64), "%d", i);
		PQclear(r);
	}
	ck_assert_int_eq(e.code, ERR_INTERNAL);
	err_clear(&e);
	PQclear(db_exec(c, deadline_in(AMPLE), &many[0], NULL, &e));
	ck_assert_msg(e.code == ERR_NONE, "those prepared still run");
	db_put(p, c);
	db_pool_free(p);
}
END_TEST

/* --- time */

START_TEST(a_statement_that_takes_too_long_is_cancelled)
{
	struct db_pool *p = pool(1, 100);
	struct err e = ERR_INIT;
	struct db_conn *c = get(p);

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
	struct db_pool *p = pool(1, AMPLE);
	struct err e = ERR_INIT;
	struct db_conn *c = get(p);
	int64_t pid = pid_of(c);

	ck_assert_ptr_null(db_exec(c, deadline_in(100), &stmt_sleep, NULL, &e));
	ck_assert_int_eq(e.code, ERR_TIMEOUT);
	ck_assert_msg(!db_alive(c), "its answer would come to the next statement");
	db_put(p, c);
	ck_assert_int_ne(number(p, &stmt_pid, NULL), pid);
	db_pool_free(p);
}
END_TEST

/* --- the pool */

START_TEST(a_url_that_is_none_is_refused_at_once)
{
	struct err e = ERR_INIT;

	ck_assert_ptr_null(db_pool_new("postgresql://[", "db-check", 1, AMPLE, &e));
	ck_assert_int_eq(e.code, ERR_CONFIG);
	err_clear(&e);
	ck_assert_ptr_null(db_pool_new("nonsense=1", "db-check", 1, AMPLE, &e));
	ck_assert_int_eq(e.code, ERR_CONFIG);
}
END_TEST

START_TEST(connections_are_kept_and_known_by_name)
{
	static const struct db_stmt s = {"name",
		"SELECT application_name, current_setting('statement_timeout'),"
		" current_setting('lock_timeout'),"
		" current_setting('idle_in_transaction_session_timeout')"
		" FROM pg_stat_activity WHERE pid = pg_backend_pid()",
		0};
	struct db_pool *p = pool(2, 7000);
	struct err e = ERR_INIT;
	int64_t pid = number(p, &stmt_pid, NULL);
	PGresult *r;

	ck_assert_int_eq(number(p, &stmt_pid, NULL), pid);
	r = db_query(p, deadline_in(AMPLE), &s, NULL, &e);
	ck_assert_ptr_nonnull(r);
	ck_assert_str_eq(db_text(r, 0, 0), "db-check");
	ck_assert_str_eq(db_text(r, 0, 1), "7s");
	ck_assert_str_eq(db_text(r, 0, 2), "7s");
	ck_assert_str_eq(db_text(r, 0, 3), "14s");
	PQclear(r);
	db_put(p, NULL);
	db_pool_free(p);
}
END_TEST

struct waiter {
	pthread_t thread;
	struct db_pool *p;
	int deadline_ms;
	int64_t pid;
	struct err e;
};

static void *
wait_for_one(void *arg)
{
	struct waiter *w = arg;
	struct db_conn *c = db_get(w->p, deadline_in(w->deadline_ms), &w->e);

	if (c != NULL)
		w->pid = pid_of(c);
	db_put(w->p, c);
	return NULL;
}

static void
start_waiter(struct waiter *w, struct db_pool *p, int deadline_ms)
{
	*w = (struct waiter){.p = p, .deadline_ms = deadline_ms};
	ck_assert_int_eq(pthread_create(&w->thread, NULL, wait_for_one, w), 0);
}

START_TEST(who_finds_all_busy_waits)
{
	struct db_pool *p = pool(1, AMPLE);
	struct db_conn *c = get(p);
	struct waiter brief, patient;
	int64_t pid = pid_of(c);

	start_waiter(&patient, p, AMPLE);
	start_waiter(&brief, p, 100);
	pthread_join(brief.thread, NULL);
	ck_assert_int_eq(brief.pid, 0);
	ck_assert_int_eq(brief.e.code, ERR_TIMEOUT);
	db_put(p, c);
	pthread_join(patient.thread, NULL);
	ck_assert_int_eq(patient.pid, pid);
	db_pool_free(p);
}
END_TEST

static void *
ask_often(void *arg)
{
	struct waiter *w = arg;

	for (int i = 0; i < 50; i++)
		w->pid += number(w->p, &stmt_pid, NULL) > 0;
	return NULL;
}

START_TEST(many_threads_share_few_connections)
{
	static const struct db_stmt s = {"mine",
		"SELECT count(*) FROM pg_stat_activity WHERE application_name = "
		"'db-many'",
		0};
	struct err e = ERR_INIT;
	struct db_pool *p = db_pool_new(url, "db-many", 2, AMPLE, &e);
	struct waiter w[THREADS];

	for (int i = 0; i < THREADS; i++) {
		w[i] = (struct waiter){.p = p};
		ck_assert_int_eq(
			pthread_create(&w[i].thread, NULL, ask_often, &w[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		ck_assert_int_eq(w[i].pid, 50);
	}
	ck_assert_int_le(number(p, &s, NULL), 2);
	db_pool_free(p);
}
END_TEST

/* --- transactions */

START_TEST(a_transaction_is_kept_or_forgotten)
{
	struct db_pool *p = pool(1, AMPLE);
	struct err e = ERR_INIT;
	struct db_conn *c = get(p);

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
	ck_assert_int_eq(number(p, &stmt_count, "100"), 1);
	ck_assert_int_eq(number(p, &stmt_count, "101"), 0);
	db_pool_free(p);
}
END_TEST

START_TEST(what_is_left_open_is_undone)
{
	struct db_pool *p = pool(1, AMPLE);
	struct err e = ERR_INIT;
	struct db_conn *c = get(p);
	int64_t pid = pid_of(c);

	ck_assert(db_begin(c, deadline_in(AMPLE), &e));
	PQclear(db_exec(
		c, deadline_in(AMPLE), &stmt_insert, (const char *[]){"102"}, &e));
	db_put(p, c);
	ck_assert_msg(
		number(p, &stmt_pid, NULL) != pid, "it was lent out in a transaction");
	ck_assert_int_eq(number(p, &stmt_count, "102"), 0);
	db_pool_free(p);
}
END_TEST

START_TEST(a_failed_transaction_does_not_commit)
{
	static const struct db_stmt zero = {"zero", "SELECT 1 / 0", 0};
	struct db_pool *p = pool(1, AMPLE);
	struct err e = ERR_INIT;
	struct db_conn *c = get(p);

	ck_assert(db_begin(c, deadline_in(AMPLE), &e));
	PQclear(db_exec(
		c, deadline_in(AMPLE), &stmt_insert, (const char *[]){"103"}, &e));
	ck_assert_ptr_null(db_exec(c, deadline_in(AMPLE), &zero, NULL, &e));
	db_rollback(c, deadline_in(AMPLE));
	ck_assert(db_alive(c));
	db_put(p, c);
	ck_assert_int_eq(number(p, &stmt_count, "103"), 0);
	db_pool_free(p);
}
END_TEST

/* --- news --- */

static const struct db_stmt stmt_tell = {"tell",
	"SELECT live_tell('0b5e4a3c-7f43-4d92-9a52-6f1f1f0c7a01', "
	"'77b41837-946c-42ac-bcf0-cd1ff38ff3bc', $1, 'WORKING', NULL, NULL)",
	1};
static const struct db_stmt stmt_tell_and_fail = {"tell_and_fail",
	"SELECT live_tell('0b5e4a3c-7f43-4d92-9a52-6f1f1f0c7a01', "
	"'77b41837-946c-42ac-bcf0-cd1ff38ff3bc', $1, 'WORKING', NULL, NULL), 1 / "
	"(SELECT 0)",
	1};

/* What was heard: types, a space after each. */
static void
hear(void *arg, const char *user, const char *type, const char *json)
{
	ck_assert_str_eq(user, "0b5e4a3c-7f43-4d92-9a52-6f1f1f0c7a01");
	ck_assert_ptr_nonnull(strstr(json, type));
	ck_assert(buf_printf(arg, "%s ", type));
}

static void
tell(struct db_conn *c, const char *type)
{
	struct err e = ERR_INIT;
	PGresult *r = db_exec(c, deadline_in(AMPLE), &stmt_tell, &type, &e);

	ck_assert_msg(r != NULL, "%s", e.text);
	PQclear(r);
}

START_TEST(news_are_passed_on_after_the_commit)
{
	struct db_pool *p = pool(1, AMPLE);
	struct err e = ERR_INIT;
	struct db_conn *c;
	struct buf heard;

	buf_init(&heard, 200);
	db_pool_news(p, hear, &heard);
	c = get(p);
	tell(c, "alone");
	ck_assert_str_eq(buf_str(&heard), "alone ");
	ck_assert(db_begin(c, deadline_in(AMPLE), &e));
	tell(c, "one");
	tell(c, "two");
	ck_assert_str_eq(buf_str(&heard), "alone ");
	ck_assert(db_commit(c, deadline_in(AMPLE), &e));
	ck_assert_str_eq(buf_str(&heard), "alone one two ");
	db_put(p, c);
	db_pool_free(p);
	buf_free(&heard);
}
END_TEST

START_TEST(what_is_undone_is_no_news)
{
	const char *param = "failed";
	struct db_pool *p = pool(1, AMPLE);
	struct err e = ERR_INIT;
	struct db_conn *c;
	struct buf heard;

	buf_init(&heard, 200);
	db_pool_news(p, hear, &heard);
	c = get(p);
	ck_assert(db_begin(c, deadline_in(AMPLE), &e));
	tell(c, "undone");
	db_rollback(c, deadline_in(AMPLE));
	ck_assert_ptr_null(
		db_exec(c, deadline_in(AMPLE), &stmt_tell_and_fail, &param, &e));
	ck_assert_str_eq(buf_str(&heard), "");
	tell(c, "after");
	ck_assert_str_eq(buf_str(&heard), "after ");
	ck_assert(db_begin(c, deadline_in(AMPLE), NULL));
	tell(c, "left open");
	db_put(p, c); /* closed: it was in the middle of something */
	ck_assert_str_eq(buf_str(&heard), "after ");
	db_pool_free(p);
	buf_free(&heard);
}
END_TEST

START_TEST(nobody_is_told_who_did_not_ask)
{
	struct db_pool *p = pool(1, AMPLE);
	struct db_conn *c = get(p);

	tell(c, "quiet");
	db_put(p, c);
	db_pool_free(p);
}
END_TEST

/* --- when the server goes */

START_TEST(an_idle_connection_that_ended_is_replaced)
{
	struct db_pool *p = pool(1, AMPLE);
	int64_t pid = number(p, &stmt_pid, NULL);

	terminate(pid);
	ck_assert_msg(number(p, &stmt_pid, NULL) != pid, "nobody noticed");
	db_pool_free(p);
}
END_TEST

START_TEST(a_connection_that_ends_under_a_statement_is_unavailable)
{
	static const struct db_stmt s = {"suicide",
		"SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(30)", 0};
	struct db_pool *p = pool(1, AMPLE);
	struct err e = ERR_INIT;
	struct db_conn *c = get(p);

	ck_assert_ptr_null(db_exec(c, deadline_in(AMPLE), &s, NULL, &e));
	ck_assert_int_eq(e.code, ERR_UNAVAILABLE);
	ck_assert(!db_alive(c));
	db_put(p, c);
	ck_assert_int_gt(number(p, &stmt_pid, NULL), 0);
	db_pool_free(p);
}
END_TEST

START_TEST(after_a_restart_all_goes_on)
{
	struct db_pool *p = pool(3, AMPLE);
	struct db_conn *c[3] = {get(p), get(p), get(p)};

	for (int i = 0; i < 3; i++)
		db_put(p, c[i]);
	command("stop\n");
	command("start\n");
	for (int i = 0; i < 3; i++)
		ck_assert_int_gt(number(p, &stmt_pid, NULL), 0);
	db_pool_free(p);
}
END_TEST

START_TEST(while_the_server_is_down_it_is_unavailable)
{
	struct db_pool *p = pool(2, AMPLE);
	struct db_conn *c = get(p);

	number(p, &stmt_pid, NULL);
	command("stop\n");
	for (int i = 0; i < 3; i++) {
		struct err e = ERR_INIT;

		ck_assert_ptr_null(
			db_query(p, deadline_in(AMPLE), &stmt_pid, NULL, &e));
		ck_assert_msg(e.code == ERR_UNAVAILABLE, "%s", e.text);
	}
	db_put(p, c);
	command("start\n");
	clock_sleep(600, deadline_in(AMPLE)); /* callers fail fast for half a second */
	ck_assert_int_gt(number(p, &stmt_pid, NULL), 0);
	db_pool_free(p);
}
END_TEST

/* A server that is there but is no PostgreSQL: it does to each connection as told. */
static struct db_pool *
pool_of_fake(const struct fake *f, int size)
{
	struct err e = ERR_INIT;
	char fake_url[100];
	struct db_pool *p;

	snprintf(fake_url, sizeof(fake_url),
		"postgresql://u:CANARY@127.0.0.1:%d/d?sslmode=disable", f->port);
	p = db_pool_new(fake_url, "db-check", size, AMPLE, &e);
	ck_assert_ptr_nonnull(p);
	return p;
}

struct refuser {
	struct fake f; /* only its listener, stop and port are used */
	pthread_t thread;
	int pause_ms; /* until it closes a connection */
	atomic_int met;
};

static void *
refuse_all(void *arg)
{
	struct refuser *r = arg;

	while (fake_wait(&r->f, r->f.listener, -1)) {
		int fd = accept(r->f.listener, NULL, NULL);

		atomic_fetch_add(&r->met, 1);
		clock_sleep(r->pause_ms, deadline_in(AMPLE));
		close(fd);
	}
	return NULL;
}

static void
start_refuser(struct refuser *r, int pause_ms)
{
	*r = (struct refuser){.pause_ms = pause_ms};
	r->f.listener = fake_listen(&r->f.port);
	r->f.stop = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_eq(pthread_create(&r->thread, NULL, refuse_all, r), 0);
}

static void
stop_refuser(struct refuser *r)
{
	uint64_t one = 1;

	ck_assert_int_eq(write(r->f.stop, &one, sizeof(one)), (ssize_t)sizeof(one));
	pthread_join(r->thread, NULL);
	close(r->f.listener);
	close(r->f.stop);
}

START_TEST(one_failed_attempt_speaks_for_all)
{
	struct refuser r;
	struct db_pool *p;

	start_refuser(&r, 0);
	p = pool_of_fake(&r.f, 4);
	for (int i = 0; i < 50; i++) {
		struct err e = ERR_INIT;

		ck_assert_ptr_null(
			db_query(p, deadline_in(AMPLE), &stmt_pid, NULL, &e));
		ck_assert_int_eq(e.code, ERR_UNAVAILABLE);
		ck_assert_str_ne(e.text, "");
		ck_assert_ptr_null(strstr(e.text, "CANARY"));
	}
	/* one for each half second, however slow this machine is at the moment */
	ck_assert_int_lt(atomic_load(&r.met), 25);
	db_pool_free(p);
	stop_refuser(&r);
}
END_TEST

/* All who wait for the one slot hear at once that it came to nothing. */
START_TEST(all_who_wait_fail_together)
{
	struct waiter w[THREADS];
	struct refuser r;
	struct db_pool *p;

	start_refuser(&r, 300);
	p = pool_of_fake(&r.f, 1);
	for (int i = 0; i < THREADS; i++)
		start_waiter(&w[i], p, 3500);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(w[i].thread, NULL);
		ck_assert_msg(w[i].e.code == ERR_UNAVAILABLE, "%s", w[i].e.text);
	}
	db_pool_free(p);
	stop_refuser(&r);
}
END_TEST

/* A caller whose own time is up says nothing about the server: the next one tries. */
START_TEST(one_callers_haste_fails_nobody_else)
{
	struct fake f = {0};
	struct db_pool *p;

	f.listener = fake_listen(&f.port); /* connects, and never says a word */
	p = pool_of_fake(&f, 1);
	for (int i = 0; i < 2; i++) {
		struct err e = ERR_INIT;

		ck_assert_ptr_null(db_get(p, deadline_in(100), &e));
		ck_assert_msg(e.code == ERR_TIMEOUT, "%d: %s", i, e.text);
	}
	db_pool_free(p);
	close(f.listener);
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
	struct db_pool *p = pool(1, AMPLE), *other = pool(1, AMPLE);
	struct db_conn *c = get(p);

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
	struct db_pool *p = pool(1, AMPLE);
	struct db_conn *c = get(p);
	int64_t pid = pid_of(c);

	listen_with(c);
	db_put(p, c);
	ck_assert_int_ne(number(p, &stmt_pid, NULL), pid);
	db_pool_free(p);
}
END_TEST

START_TEST(a_listener_notices_that_its_connection_ended)
{
	struct db_pool *p = pool(1, AMPLE);
	struct db_conn *c = get(p);
	int64_t pid = pid_of(c);

	listen_with(c);
	terminate(pid);
	for (int i = 0; i < 10 && db_alive(c); i++)
		ck_assert(!db_wait(c, deadline_in(AMPLE)));
	ck_assert(!db_alive(c));
	db_put(p, c);
	db_pool_free(p);
}
END_TEST

START_TEST(a_notify_that_fails_is_no_error)
{
	struct refuser r;
	struct db_pool *p;

	start_refuser(&r, 0);
	p = pool_of_fake(&r.f, 1);
	db_notify(p, deadline_in(AMPLE), &stmt_notify);
	db_pool_free(p);
	stop_refuser(&r);
	db_pool_free(NULL);
}
END_TEST

/* --- */

/* Before Check runs anything: nothing may be asserted yet. */
static bool
prepare_table(void)
{
	static const struct db_stmt drop = {"drop", "DROP TABLE IF EXISTS db_check", 0};
	static const struct db_stmt make = {
		"make", "CREATE TABLE db_check (n integer PRIMARY KEY)", 0};
	struct err e = ERR_INIT;
	struct db_pool *p = db_pool_new(url, "db-check", 1, AMPLE, &e);

	if (p == NULL)
		return false;
	PQclear(db_query(p, deadline_in(AMPLE), &drop, NULL, &e));
	PQclear(db_query(p, deadline_in(AMPLE), &make, NULL, &e));
	db_pool_free(p);
	return e.code == ERR_NONE;
}

int
main(void)
{
	const TTest *const tests[] = {parameters_go_out_and_fields_come_back,
		what_is_larger_than_any_buffer_gets_through, errors_have_their_kind,
		a_notice_does_not_spoil_the_log,
		a_connection_has_room_for_every_statement_of_a_program,
		a_statement_that_takes_too_long_is_cancelled,
		a_deadline_that_passes_breaks_the_connection,
		a_url_that_is_none_is_refused_at_once,
		connections_are_kept_and_known_by_name, who_finds_all_busy_waits,
		many_threads_share_few_connections, a_transaction_is_kept_or_forgotten,
		what_is_left_open_is_undone, a_failed_transaction_does_not_commit,
		news_are_passed_on_after_the_commit, what_is_undone_is_no_news,
		nobody_is_told_who_did_not_ask,
		an_idle_connection_that_ended_is_replaced,
		a_connection_that_ends_under_a_statement_is_unavailable,
		after_a_restart_all_goes_on, while_the_server_is_down_it_is_unavailable,
		one_failed_attempt_speaks_for_all, all_who_wait_fail_together,
		one_callers_haste_fails_nobody_else, a_notify_wakes,
		a_listener_is_not_lent_to_others,
		a_listener_notices_that_its_connection_ended,
		a_notify_that_fails_is_no_error, NULL};
	const char *fd = getenv("WAPOOL_TEST_CONTROL");
	Suite *s = unit_suite("db", tests);

	url = getenv("WAPOOL_TEST_DATABASE_URL");
	if (url == NULL || fd == NULL) {
		puts("Bail out! t/db.t runs this: it needs a PostgreSQL of its own");
		return 1;
	}
	control = (int)strtol(fd, NULL, 10);
	if (!prepare_table()) {
		puts("Bail out! the database cannot be used");
		return 1;
	}
	return unit_main(s);
}
