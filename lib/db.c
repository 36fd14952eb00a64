#include "lib/db.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/spent.h"
#include "lib/utf8.h"

#define MAX_PREPARED 64  /* of a connection; what comes later is planned each time */
#define CONNECT_MS 3000  /* one attempt to connect */
#define FAIL_FAST_MS 500 /* after a failed attempt nobody tries again for this long */

struct db_conn {
	PGconn *pg;
	struct db_pool *pool;
	const struct db_stmt *prepared[MAX_PREPARED];
	int nprepared;
	bool broken; /* close instead of reuse */
	bool listening;
	struct news news;
	struct db_conn *next;
};

struct db_pool {
	char *url;
	char *program;
	char options[200];
	news_sink *sink; /* or NULL: nobody wants news */
	void *sink_arg;
	int size, timeout_ms;
	pthread_mutex_t lock;
	pthread_cond_t freed;
	int open;             /* connections in use or idle; guarded by lock */
	struct db_conn *idle; /* last used first; guarded by lock */
	int64_t retry_at;     /* fail fast until then; guarded by lock */
	char last_error[256]; /* guarded by lock */
};

struct db_pool *
db_pool_new(
	const char *url, const char *program, int size, int timeout_ms, struct err *e)
{
	struct db_pool *p = calloc(1, sizeof(*p));
	pthread_condattr_t attr;
	char *bad = NULL;
	PQconninfoOption *parsed = PQconninfoParse(url, &bad);

	if (p == NULL || parsed == NULL) {
		err_set(e, parsed == NULL ? ERR_CONFIG : ERR_NOMEM, "DATABASE_URL: %s",
			bad != NULL ? bad : "out of memory");
		PQfreemem(bad);
		PQconninfoFree(parsed);
		free(p);
		return NULL;
	}
	PQconninfoFree(parsed);
	p->url = strdup(url);
	p->program = strdup(program);
	p->size = size;
	p->timeout_ms = timeout_ms;
	snprintf(p->options, sizeof(p->options),
		"-c statement_timeout=%d -c lock_timeout=%d"
		" -c idle_in_transaction_session_timeout=%d",
		timeout_ms, timeout_ms, timeout_ms * 2);
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->freed, &attr);
	pthread_condattr_destroy(&attr);
	if (p->url == NULL || p->program == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		db_pool_free(p);
		return NULL;
	}
	return p;
}

void
db_pool_news(struct db_pool *p, news_sink *sink, void *arg)
{
	size_t n = strlen(p->options);

	p->sink = sink;
	p->sink_arg = arg;
	snprintf(p->options + n, sizeof(p->options) - n, " -c wapool.live=on");
}

static void
conn_free(struct db_conn *c)
{
	PQfinish(c->pg);
	news_drop(&c->news);
	free(c);
}

void
db_pool_free(struct db_pool *p)
{
	if (p == NULL)
		return;
	while (p->idle != NULL) {
		struct db_conn *c = p->idle;

		p->idle = c->next;
		conn_free(c);
	}
	pthread_cond_destroy(&p->freed);
	pthread_mutex_destroy(&p->lock);
	free(p->url);
	free(p->program);
	free(p);
}

/* Waits until the connection's socket is ready for `events`, or false once d passes. */
static bool
wait_socket(PGconn *pg, short events, deadline_t d)
{
	struct pollfd fd = {.fd = PQsocket(pg), .events = events};
	int n;

	if (fd.fd < 0)
		return false;
	do
		n = poll(&fd, 1, deadline_left(d));
	while (n < 0 && errno == EINTR);
	return n > 0;
}

/* One attempt to connect, by libpq's asynchronous steps, so that the deadline holds
 * (but for the look-up of a host's name, which libpq waits for). */
static PGconn *
connect_pg(const struct db_pool *p, deadline_t d, struct err *e)
{
	const char *const names[] = {
		"dbname", "application_name", "options", "client_encoding", NULL};
	const char *const values[] = {p->url, p->program, p->options, "UTF8", NULL};
	PGconn *pg = PQconnectStartParams(names, values, 1);
	PostgresPollingStatusType step = PGRES_POLLING_WRITING;

	if (pg == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	d = deadline_min(d, deadline_in(CONNECT_MS));
	while (PQstatus(pg) != CONNECTION_BAD && step != PGRES_POLLING_OK &&
		step != PGRES_POLLING_FAILED) {
		if (!wait_socket(
			    pg, step == PGRES_POLLING_READING ? POLLIN : POLLOUT, d))
			break;
		step = PQconnectPoll(pg);
	}
	if (step == PGRES_POLLING_OK && PQsetnonblocking(pg, 1) == 0)
		return pg;
	err_set(e, ERR_UNAVAILABLE, "database: %s",
		*PQerrorMessage(pg) != '\0' ? PQerrorMessage(pg) : "no answer in time");
	PQfinish(pg);
	return NULL;
}

/* Opens a connection for a slot that the caller has reserved. */
static struct db_conn *
open_slot(struct db_pool *p, deadline_t d, struct err *e)
{
	struct db_conn *c = calloc(1, sizeof(*c));
	struct err why = ERR_INIT;
	bool mine;

	if (c != NULL)
		c->pg = connect_pg(p, d, &why);
	if (c != NULL && c->pg != NULL) {
		c->pool = p;
		news_init(&c->news, p->sink, p->sink_arg);
		/* without it libpq would print messages on fd 2, between the log's lines */
		PQsetNoticeReceiver(c->pg, news_take, &c->news);
		return c;
	}
	free(c);
	mine = deadline_left(d) == 0; /* says nothing about the server */
	pthread_mutex_lock(&p->lock);
	p->open--;
	if (!mine) {
		p->retry_at = clock_ms() + FAIL_FAST_MS;
		snprintf(p->last_error, sizeof(p->last_error), "%s", why.text);
	}
	/* all who wait for this slot: they fail fast too, or one of them tries */
	pthread_cond_broadcast(&p->freed);
	pthread_mutex_unlock(&p->lock);
	log_write(LOG_WARN, "database.connect", LOG_STR("error", why.text));
	err_set(e, mine ? ERR_TIMEOUT : ERR_UNAVAILABLE, "%s", why.text);
	return NULL;
}

/* Takes an idle connection or a slot to open one; waits until d. Returns false on
 * failure; *out is NULL when a slot was reserved. */
static bool
take_slot(struct db_pool *p, deadline_t d, struct db_conn **out, struct err *e)
{
	struct timespec until = {.tv_sec = d / 1000, .tv_nsec = d % 1000 * 1000000};
	bool ok = true;

	*out = NULL;
	pthread_mutex_lock(&p->lock);
	while (p->idle == NULL && p->open >= p->size && ok)
		ok = pthread_cond_timedwait(&p->freed, &p->lock, &until) != ETIMEDOUT;
	if (p->idle != NULL) {
		*out = p->idle;
		p->idle = (*out)->next;
		ok = true;
	} else if (p->open >= p->size) {
		ok = err_set(e, ERR_TIMEOUT, "all %d database connections are busy",
			p->size);
	} else if (clock_ms() < p->retry_at) {
		ok = err_set(e, ERR_UNAVAILABLE, "%s", p->last_error);
	} else {
		p->open++;
		ok = true;
	}
	pthread_mutex_unlock(&p->lock);
	return ok;
}

void
db_put(struct db_pool *p, struct db_conn *c)
{
	bool keep;

	if (c == NULL)
		return;
	keep = !c->broken && !c->listening && PQstatus(c->pg) == CONNECTION_OK &&
		PQtransactionStatus(c->pg) == PQTRANS_IDLE;
	pthread_mutex_lock(&p->lock);
	if (keep) {
		c->next = p->idle;
		p->idle = c;
	} else {
		p->open--;
	}
	pthread_cond_signal(&p->freed);
	pthread_mutex_unlock(&p->lock);
	if (!keep)
		conn_free(c);
}

/* True if the server has closed this idle connection meanwhile (a restart).
 * Nothing else is sent on an idle connection, so whatever can be read is its
 * farewell or its end. */
static bool
is_stale(struct db_conn *c)
{
	struct pollfd fd = {.fd = PQsocket(c->pg), .events = POLLIN};

	return fd.fd < 0 || poll(&fd, 1, 0) != 0;
}

struct db_conn *
db_get(struct db_pool *p, deadline_t d, struct err *e)
{
	struct db_conn *c;
	int64_t began = clock_us();
	bool ok;

	while ((ok = take_slot(p, d, &c, e)) && c != NULL && is_stale(c)) {
		c->broken = true;
		db_put(p, c);
	}
	if (ok && c == NULL)
		c = open_slot(p, d, e);
	spent_since(SPENT_DB, began);
	return ok ? c : NULL;
}

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
		if (!wait_socket(c->pg, unsent > 0 ? POLLIN | POLLOUT : POLLIN, d)) {
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
	if (wait_socket(c->pg, POLLIN, d) && !PQconsumeInput(c->pg))
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
