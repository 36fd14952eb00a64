#include "t/pg/pg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct db_stmt pg_pid_stmt = {"pid", "SELECT pg_backend_pid()", 0};
static const struct db_stmt stmt_kill = {
	"kill", "SELECT pg_terminate_backend($1, 10000)", 1};

const char *pg_url;
static int control;

struct db_pool *
pg_pool(int size, int timeout_ms)
{
	struct err e = ERR_INIT;
	struct db_pool *p = db_pool_new(pg_url, "db-check", size, timeout_ms, &e);

	ck_assert_msg(p != NULL, "%s", e.text);
	return p;
}

int64_t
pg_number(struct db_pool *p, const struct db_stmt *s, const char *param)
{
	struct err e = ERR_INIT;
	PGresult *r = db_query(p, deadline_in(AMPLE), s, &param, &e);
	int64_t n;

	ck_assert_msg(r != NULL, "%s: %s", s->name, e.text);
	n = PQntuples(r) > 0 ? db_int(r, 0, 0) : 0;
	PQclear(r);
	return n;
}

struct db_conn *
pg_get(struct db_pool *p)
{
	struct err e = ERR_INIT;
	struct db_conn *c = db_get(p, deadline_in(AMPLE), &e);

	ck_assert_msg(c != NULL, "%s", e.text);
	return c;
}

int64_t
pg_pid(struct db_conn *c)
{
	struct err e = ERR_INIT;
	PGresult *r = db_exec(c, deadline_in(AMPLE), &pg_pid_stmt, NULL, &e);
	int64_t pid;

	ck_assert_msg(r != NULL, "%s", e.text);
	pid = db_int(r, 0, 0);
	PQclear(r);
	return pid;
}

void
pg_terminate(int64_t pid)
{
	struct db_pool *p = pg_pool(1, AMPLE);
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)pid);
	pg_number(p, &stmt_kill, text);
	db_pool_free(p);
}

void
pg_command(const char *word)
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

/* Before Check runs anything: nothing may be asserted yet. */
static bool
prepare_table(void)
{
	static const struct db_stmt drop = {"drop", "DROP TABLE IF EXISTS db_check", 0};
	static const struct db_stmt make = {
		"make", "CREATE TABLE db_check (n integer PRIMARY KEY)", 0};
	struct err e = ERR_INIT;
	struct db_pool *p = db_pool_new(pg_url, "db-check", 1, AMPLE, &e);

	if (p == NULL)
		return false;
	PQclear(db_query(p, deadline_in(AMPLE), &drop, NULL, &e));
	PQclear(db_query(p, deadline_in(AMPLE), &make, NULL, &e));
	db_pool_free(p);
	return e.code == ERR_NONE;
}

int
pg_main(Suite *s)
{
	const char *fd = getenv("WAPOOL_TEST_CONTROL");

	pg_url = getenv("WAPOOL_TEST_DATABASE_URL");
	if (pg_url == NULL || fd == NULL) {
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
