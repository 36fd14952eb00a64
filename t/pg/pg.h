/*
 * pg: what the tests of lib/db against a real PostgreSQL share. t/db.t runs them:
 * WAPOOL_TEST_DATABASE_URL names a database of ours; on the descriptor WAPOOL_TEST_CONTROL the
 * server is stopped and started for us. Every function but pg_main ends the test on failure.
 */
#ifndef WAPOOL_T_PG_H
#define WAPOOL_T_PG_H

#include "lib/db.h"
#include "t/unit/unit.h"

#define AMPLE 20000 /* ms: longer than anything here takes */

extern const struct db_stmt pg_pid_stmt; /* SELECT pg_backend_pid() */
extern const char *pg_url;

struct db_pool *pg_pool(int size, int timeout_ms);

/* Runs a statement, in a connection of p's, whose first field is a number. */
int64_t pg_number(struct db_pool *p, const struct db_stmt *s, const char *param);

struct db_conn *pg_get(struct db_pool *p);
int64_t pg_pid(struct db_conn *c);

/* Ends a backend as an administrator would, and waits until it is gone. */
void pg_terminate(int64_t pid);

/* "stop\n" or "start\n": has that done to the server. */
void pg_command(const char *word);

/* Makes the table db_check (n integer) and runs the suite. Returns main's status. */
int pg_main(Suite *s);

#endif
