/*
 * db: a small pool of PostgreSQL connections per process, and
 * statements with deadlines.
 *
 * libpq is used nowhere else, but for PGresult and the functions that read one.
 * Connections open at first use, are prepared lazily, checked when a statement fails,
 * and replaced when broken; while the server is down callers fail fast for a moment
 * instead of queueing up to time out. Statements are constants (`struct db_stmt`);
 * values are always parameters.
 *
 * Thread-safety: a db_pool may be used from all threads; a db_conn belongs to the
 * thread that got it until db_put. Hold one only for a statement or a transaction,
 * never across a call to a gateway.
 */
#ifndef WAPOOL_DB_H
#define WAPOOL_DB_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/clock.h"
#include "lib/err.h"
#include "lib/news.h"

/* A statement, declared `static const` beside the code that uses it. Its name is the
 * prepared statement's and must be unique in the program. */
struct db_stmt {
	const char *name;
	const char *sql;
	int nparams;
};

#define DB_MAX_PARAMS 20

struct db_pool;
struct db_conn;

/* A pool of at most `size` connections to `url` (libpq's conninfo or URI) that
 * calls itself `program` there (application_name) and gives statements at most
 * timeout_ms. Opens nothing. NULL with ERR_NOMEM, or ERR_CONFIG if url cannot be
 * parsed. Free with db_pool_free. */
struct db_pool *db_pool_new(
	const char *url, const char *program, int size, int timeout_ms, struct err *e);

/* Asks the server for news (lib/news.h), which go to sink in the thread of whoever
 * committed. Before the pool's first connection. */
void db_pool_news(struct db_pool *p, news_sink *sink, void *arg);

/* Closes what is idle and frees; every connection must have been put back.
 * NULL is allowed. */
void db_pool_free(struct db_pool *p);

/*
 * A connection that is open, idle and was alive a moment ago (one that the server
 * closed meanwhile is replaced), waiting for one until the deadline. NULL with
 * ERR_TIMEOUT (all busy, or the deadline passed while connecting) or ERR_UNAVAILABLE
 * (the server cannot be reached or refuses us). Return it with db_put, which closes it
 * if it is broken or in the middle of something. db_put(p, NULL) is allowed.
 */
struct db_conn *db_get(struct db_pool *p, deadline_t d, struct err *e);
void db_put(struct db_pool *p, struct db_conn *c);

/*
 * Runs a statement with text parameters (NULL is SQL's NULL) and gives its result,
 * which the caller frees with PQclear. NULL on failure: e->sqlstate tells which
 * (ERR_TIMEOUT, ERR_UNAVAILABLE for connection trouble and shutdowns, ERR_CONFLICT for
 * class 23 and 40, else ERR_INTERNAL). After ERR_TIMEOUT or ERR_UNAVAILABLE the outcome
 * of a write is unknown.
 */
PGresult *db_exec(struct db_conn *c, deadline_t d, const struct db_stmt *s,
	const char *const *params, struct err *e) __attribute__((warn_unused_result));

/* db_get, db_exec and db_put: one statement outside of a transaction. */
PGresult *db_query(struct db_pool *p, deadline_t d, const struct db_stmt *s,
	const char *const *params, struct err *e) __attribute__((warn_unused_result));

/*
 * Runs one statement n times, with params[i] each, in one transaction and (once it is
 * prepared) one round trip. It must return rows (SELECT, RETURNING). All or none: false,
 * with every result NULL and the error of the first that failed; nothing is written then,
 * but that after ERR_TIMEOUT and ERR_UNAVAILABLE the outcome is unknown. ERR_INTERNAL if
 * the connection has no room for a prepared statement. Else the caller frees results[0] to
 * results[n-1] with PQclear.
 */
bool db_query_all(struct db_pool *p, deadline_t d, const struct db_stmt *s,
	const char *const *const *params, size_t n, PGresult **results, struct err *e)
	__attribute__((warn_unused_result));

/* BEGIN, COMMIT, ROLLBACK. After a failed commit with ERR_TIMEOUT or
 * ERR_UNAVAILABLE the outcome is unknown. db_rollback never fails: db_put closes
 * what it could not undo. */
bool db_begin(struct db_conn *c, deadline_t d, struct err *e);
bool db_commit(struct db_conn *c, deadline_t d, struct err *e);
void db_rollback(struct db_conn *c, deadline_t d);

/* Sends an empty NOTIFY on that channel in its own statement: a wake-up, for which
 * failure does not matter (polling stands behind it). */
void db_notify(struct db_pool *p, deadline_t d, const struct db_stmt *notify);

/* LISTENs on `wapool` with a connection kept for it, and waits until something
 * comes or the deadline passes. True if woken; false also if the connection
 * broke: db_alive tells. */
bool db_wait(struct db_conn *c, deadline_t d);

/* False once the connection is known to be broken: give it back and get another. */
bool db_alive(const struct db_conn *c);

/* Row accessors. Text is borrowed from the result; NULL for SQL's NULL. */
const char *db_text(const PGresult *r, int row, int col);
int64_t db_int(const PGresult *r, int row, int col); /* 0 for NULL */
bool db_bool(const PGresult *r, int row, int col);   /* false for NULL */

/* Copies a text into to (size bytes with its NUL): "" for SQL's NULL; cut between two
 * characters if it is too long. */
void db_copy(const PGresult *r, int row, int col, char *to, size_t size);

#define DB_PARAM_SIZE 24 /* any number as text, with its NUL */

/* Parameters: a number, written into room, which is what comes back; a text of which ""
 * and NULL mean SQL's NULL. */
const char *db_param_int(char room[DB_PARAM_SIZE], int64_t n);
const char *db_param_text(const char *s);

#endif
