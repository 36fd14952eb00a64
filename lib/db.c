#include "lib/db.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/db-int.h"
#include "lib/spent.h"
#include "lib/utf8.h"

/* SQLSTATE classes as PostgreSQL 15's appendix A names them. */
static enum err_code
code_of(const char *state)
{
	if (strncmp(state, "08", 2) == 0 || strncmp(state, "57P", 3) == 0 ||
		strncmp(state, "53", 2) == 0 || strcmp(state, "25006") == 0)
		return ERR_UNAVAILABLE;
	if (strcmp(state, "57014") == 0 || strcmp(state, "55P03") == 0)
		return ERR_TIMEOUT; /* statement_timeout, lock_timeout */
	if (strncmp(state, "23", 2) == 0 || strncmp(state, "40", 2) == 0)
		return ERR_CONFLICT;
	if (strcmp(state, "28000") == 0)
		return ERR_UNAUTHORIZED; /* active_user() */
	return ERR_INTERNAL;
}

/* Puts down what went wrong: in r, or, if that is NULL, on the connection. */
static bool
fail(struct db_conn *c, const PGresult *r, const char *what, struct err *e)
{
	const char *state = r != NULL ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
	const char *text =
		r != NULL ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;

	if (PQstatus(c->pg) != CONNECTION_OK)
		c->broken = true;
	if (e != NULL && e->code == ERR_NONE && state != NULL)
		snprintf(e->sqlstate, sizeof(e->sqlstate), "%s", state);
	if (state != NULL && !c->broken)
		return err_set(
			e, code_of(state), "%s: %s", what, text != NULL ? text : state);
	return err_set(e, ERR_UNAVAILABLE, "%s: %s", what, PQerrorMessage(c->pg));
}

/* Sends what is queued and waits until PQgetResult will not block. A deadline that
 * passes breaks the connection: its answer would come to the next statement. */
static bool
await_result(struct db_conn *c, deadline_t d, const char *what, struct err *e)
{
	int unsent;

	while ((unsent = PQflush(c->pg)) > 0 || PQisBusy(c->pg)) {
		if (!db_wait_socket(c->pg, unsent > 0 ? POLLIN | POLLOUT : POLLIN, d)) {
			c->broken = true;
			return err_set(e, ERR_TIMEOUT, "%s: no answer in time", what);
		}
		if (!PQconsumeInput(c->pg))
			return fail(c, NULL, what, e);
	}
	return unsent == 0 || fail(c, NULL, what, e);
}

/* What the statement told, if this was the end of its transaction. */
static void
settle_news(struct db_conn *c, bool good)
{
	if (PQtransactionStatus(c->pg) != PQTRANS_IDLE)
		return;
	if (good)
		news_pass_on(&c->news);
	else
		news_drop(&c->news);
}

/* The result of what was sent, once the server is ready for the next statement: not
 * before that is a write outside of a transaction committed. */
static PGresult *
finish(struct db_conn *c, deadline_t d, const char *what, struct err *e)
{
	PGresult *r = NULL, *next;
	bool ready, good = false;
	int64_t began = clock_us();

	while ((ready = await_result(c, d, what, e)) &&
		(next = PQgetResult(c->pg)) != NULL) {
		PQclear(r);
		r = next;
		good = PQresultStatus(r) == PGRES_COMMAND_OK ||
			PQresultStatus(r) == PGRES_TUPLES_OK || fail(c, r, what, e);
	}
	spent_since(SPENT_DB, began);
	settle_news(c, ready && good);
	if (ready && good)
		return r;
	if (r == NULL)
		fail(c, NULL, what, e);
	PQclear(r);
	return NULL;
}

static bool
is_prepared(const struct db_conn *c, const struct db_stmt *s)
{
	for (int i = 0; i < c->nprepared; i++)
		if (c->prepared[i] == s)
			return true;
	return false;
}

/* True also for one that has no room among the prepared ones. */
static bool
prepare(struct db_conn *c, deadline_t d, const struct db_stmt *s, struct err *e)
{
	PGresult *r;

	if (is_prepared(c, s) || c->nprepared == MAX_PREPARED)
		return true;
	if (!PQsendPrepare(c->pg, s->name, s->sql, s->nparams, NULL))
		return fail(c, NULL, s->name, e);
	r = finish(c, d, s->name, e);
	if (r == NULL)
		return false;
	PQclear(r);
	c->prepared[c->nprepared++] = s;
	return true;
}

PGresult *
db_exec(struct db_conn *c, deadline_t d, const struct db_stmt *s,
	const char *const *params, struct err *e)
{
	int sent;

	d = deadline_min(d, deadline_in(c->pool->timeout_ms + 1000));
	if (!prepare(c, d, s, e))
		return NULL;
	if (is_prepared(c, s))
		sent = PQsendQueryPrepared(
			c->pg, s->name, s->nparams, params, NULL, NULL, 0);
	else
		sent = PQsendQueryParams(
			c->pg, s->sql, s->nparams, NULL, params, NULL, NULL, 0);
	if (!sent) {
		fail(c, NULL, s->name, e);
		return NULL;
	}
	return finish(c, d, s->name, e);
}

PGresult *
db_query(struct db_pool *p, deadline_t d, const struct db_stmt *s,
	const char *const *params, struct err *e)
{
	struct db_conn *c = db_get(p, d, e);
	PGresult *r;

	if (c == NULL)
		return NULL;
	r = db_exec(c, d, s, params, e);
	db_put(p, c);
	return r;
}

/* The next of several results, once it is there; NULL between two of them. False: the
 * connection is broken. */
static bool
next_result(
	struct db_conn *c, deadline_t d, const char *what, PGresult **r, struct err *e)
{
	if (!await_result(c, d, what, e))
		return false;
	*r = PQgetResult(c->pg);
	return true;
}

/* Reads what came of a pipeline up to its end. True if all of it was done. */
static bool
finish_all(struct db_conn *c, deadline_t d, const struct db_stmt *s, PGresult **results,
	struct err *e)
{
	ExecStatusType status = PGRES_EMPTY_QUERY;
	bool good = true;
	size_t n = 0;
	PGresult *r;

	while (db_alive(c) && status != PGRES_PIPELINE_SYNC) {
		if (!next_result(c, d, s->name, &r, e))
			return false;
		if (r == NULL) /* the end of one's results */
			continue;
		status = PQresultStatus(r);
		if (status == PGRES_TUPLES_OK) {
			results[n++] = r;
			continue;
		}
		/* what comes after one that failed is not run */
		if (status != PGRES_PIPELINE_SYNC && status != PGRES_PIPELINE_ABORTED)
			good = fail(c, r, s->name, e);
		PQclear(r);
	}
	return good && status == PGRES_PIPELINE_SYNC;
}

static bool
send_all(struct db_conn *c, const struct db_stmt *s, const char *const *const *params,
	size_t n)
{
	if (!PQenterPipelineMode(c->pg))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!PQsendQueryPrepared(
			    c->pg, s->name, s->nparams, params[i], NULL, NULL, 0))
			return false;
	return PQpipelineSync(c->pg);
}

static bool
run_all(struct db_conn *c, deadline_t d, const struct db_stmt *s,
	const char *const *const *params, size_t n, PGresult **results, struct err *e)
{
	int64_t began;
	bool good;

	if (!prepare(c, d, s, e))
		return false;
	if (!is_prepared(c, s))
		return err_set(e, ERR_INTERNAL, "%s: too many statements", s->name);
	began = clock_us();
	if (!send_all(c, s, params, n)) {
		c->broken = true;
		return fail(c, NULL, s->name, e);
	}
	good = finish_all(c, d, s, results, e);
	spent_since(SPENT_DB, began);
	if (!PQexitPipelineMode(c->pg))
		c->broken = true;
	settle_news(c, good);
	return good;
}

bool
db_query_all(struct db_pool *p, deadline_t d, const struct db_stmt *s,
	const char *const *const *params, size_t n, PGresult **results, struct err *e)
{
	struct db_conn *c = db_get(p, d, e);
	bool good;

	for (size_t i = 0; i < n; i++)
		results[i] = NULL;
	if (c == NULL)
		return false;
	d = deadline_min(d, deadline_in(p->timeout_ms + 1000));
	good = run_all(c, d, s, params, n, results, e);
	db_put(p, c);
	for (size_t i = 0; i < n && !good; i++) {
		PQclear(results[i]);
		results[i] = NULL;
	}
	return good;
}

static bool
simple(struct db_conn *c, deadline_t d, const char *sql, struct err *e)
{
	PGresult *r;

	d = deadline_min(d, deadline_in(c->pool->timeout_ms + 1000));
	if (!PQsendQuery(c->pg, sql))
		return fail(c, NULL, sql, e);
	r = finish(c, d, sql, e);
	PQclear(r);
	return r != NULL;
}

bool
db_begin(struct db_conn *c, deadline_t d, struct err *e)
{
	return simple(c, d, "BEGIN", e);
}

bool
db_commit(struct db_conn *c, deadline_t d, struct err *e)
{
	return simple(c, d, "COMMIT", e);
}

void
db_rollback(struct db_conn *c, deadline_t d)
{
	news_drop(&c->news);
	if (PQtransactionStatus(c->pg) != PQTRANS_IDLE && !c->broken)
		simple(c, d, "ROLLBACK", NULL);
}

void
db_notify(struct db_pool *p, deadline_t d, const struct db_stmt *notify)
{
	struct err ignored = ERR_INIT;

	PQclear(db_query(
		p, deadline_min(d, deadline_in(1000)), notify, NULL, &ignored));
}

bool
db_wait(struct db_conn *c, deadline_t d)
{
	PGnotify *n;
	bool woken = false;

	if (!c->listening && !simple(c, d, "LISTEN wapool", NULL)) {
		c->broken = true;
		return false;
	}
	c->listening = true;
	if (db_wait_socket(c->pg, POLLIN, d) && !PQconsumeInput(c->pg))
		c->broken = true;
	while ((n = PQnotifies(c->pg)) != NULL) {
		woken = true;
		PQfreemem(n);
	}
	return woken;
}

bool
db_alive(const struct db_conn *c)
{
	return !c->broken && PQstatus(c->pg) == CONNECTION_OK;
}

const char *
db_text(const PGresult *r, int row, int col)
{
	return PQgetisnull(r, row, col) ? NULL : PQgetvalue(r, row, col);
}

int64_t
db_int(const PGresult *r, int row, int col)
{
	return PQgetisnull(r, row, col) ? 0
					: strtoll(PQgetvalue(r, row, col), NULL, 10);
}

bool
db_bool(const PGresult *r, int row, int col)
{
	return !PQgetisnull(r, row, col) && *PQgetvalue(r, row, col) == 't';
}

void
db_copy(const PGresult *r, int row, int col, char *to, size_t size)
{
	utf8_copy(to, size, db_text(r, row, col));
}

const char *
db_param_int(char room[DB_PARAM_SIZE], int64_t n)
{
	snprintf(room, DB_PARAM_SIZE, "%lld", (long long)n);
	return room;
}

const char *
db_param_text(const char *s)
{
	return s != NULL && *s != '\0' ? s : NULL;
}
