/* lib/db against a real PostgreSQL: its pool of connections, and servers that go. t/db.t runs it. */
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>

#include "t/pg/pg.h"
#include "t/unit/fake-http.h"

#define THREADS 8

static const struct db_stmt stmt_notify = {"notify", "NOTIFY wapool", 0};

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
	struct db_pool *p = pg_pool(2, 7000);
	struct err e = ERR_INIT;
	int64_t pid = pg_number(p, &pg_pid_stmt, NULL);
	PGresult *r;

	ck_assert_int_eq(pg_number(p, &pg_pid_stmt, NULL), pid);
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
		w->pid = pg_pid(c);
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
	struct db_pool *p = pg_pool(1, AMPLE);
	struct db_conn *c = pg_get(p);
	struct waiter brief, patient;
	int64_t pid = pg_pid(c);

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
		w->pid += pg_number(w->p, &pg_pid_stmt, NULL) > 0;
	return NULL;
}

START_TEST(many_threads_share_few_connections)
{
	static const struct db_stmt s = {"mine",
		"SELECT count(*) FROM pg_stat_activity WHERE application_name = "
		"'db-many'",
		0};
	struct err e = ERR_INIT;
	struct db_pool *p = db_pool_new(pg_url, "db-many", 2, AMPLE, &e);
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
	ck_assert_int_le(pg_number(p, &s, NULL), 2);
	db_pool_free(p);
}
END_TEST

/* --- when the server goes */

START_TEST(an_idle_connection_that_ended_is_replaced)
{
	struct db_pool *p = pg_pool(1, AMPLE);
	int64_t pid = pg_number(p, &pg_pid_stmt, NULL);

	pg_terminate(pid);
	ck_assert_msg(pg_number(p, &pg_pid_stmt, NULL) != pid, "nobody noticed");
	db_pool_free(p);
}
END_TEST

START_TEST(a_connection_that_ends_under_a_statement_is_unavailable)
{
	static const struct db_stmt s = {"suicide",
		"SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(30)", 0};
	struct db_pool *p = pg_pool(1, AMPLE);
	struct err e = ERR_INIT;
	struct db_conn *c = pg_get(p);

	ck_assert_ptr_null(db_exec(c, deadline_in(AMPLE), &s, NULL, &e));
	ck_assert_int_eq(e.code, ERR_UNAVAILABLE);
	ck_assert(!db_alive(c));
	db_put(p, c);
	ck_assert_int_gt(pg_number(p, &pg_pid_stmt, NULL), 0);
	db_pool_free(p);
}
END_TEST

START_TEST(after_a_restart_all_goes_on)
{
	struct db_pool *p = pg_pool(3, AMPLE);
	struct db_conn *c[3] = {pg_get(p), pg_get(p), pg_get(p)};

	for (int i = 0; i < 3; i++)
		db_put(p, c[i]);
	pg_command("stop\n");
	pg_command("start\n");
	for (int i = 0; i < 3; i++)
		ck_assert_int_gt(pg_number(p, &pg_pid_stmt, NULL), 0);
	db_pool_free(p);
}
END_TEST

START_TEST(while_the_server_is_down_it_is_unavailable)
{
	struct db_pool *p = pg_pool(2, AMPLE);
	struct db_conn *c = pg_get(p);

	pg_number(p, &pg_pid_stmt, NULL);
	pg_command("stop\n");
	for (int i = 0; i < 3; i++) {
		struct err e = ERR_INIT;

		ck_assert_ptr_null(
			db_query(p, deadline_in(AMPLE), &pg_pid_stmt, NULL, &e));
		ck_assert_msg(e.code == ERR_UNAVAILABLE, "%s", e.text);
	}
	db_put(p, c);
	pg_command("start\n");
	clock_sleep(600, deadline_in(AMPLE)); /* callers fail fast for half a second */
	ck_assert_int_gt(pg_number(p, &pg_pid_stmt, NULL), 0);
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
			db_query(p, deadline_in(AMPLE), &pg_pid_stmt, NULL, &e));
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

int
main(void)
{
	const TTest *const tests[] = {a_url_that_is_none_is_refused_at_once,
		connections_are_kept_and_known_by_name, who_finds_all_busy_waits,
		many_threads_share_few_connections,
		an_idle_connection_that_ended_is_replaced,
		a_connection_that_ends_under_a_statement_is_unavailable,
		after_a_restart_all_goes_on, while_the_server_is_down_it_is_unavailable,
		one_failed_attempt_speaks_for_all, all_who_wait_fail_together,
		one_callers_haste_fails_nobody_else, a_notify_that_fails_is_no_error,
		NULL};

	return pg_main(unit_suite("db-pool", tests));
}
