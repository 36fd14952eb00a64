/* Connections: opened, lent, given back. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/db-int.h"
#include "lib/log.h"
#include "lib/spent.h"

#define CONNECT_MS 3000  /* one attempt to connect */
#define FAIL_FAST_MS 500 /* after a failed attempt nobody tries again for this long */

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

bool
db_wait_socket(PGconn *pg, short events, deadline_t d)
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
		if (!db_wait_socket(
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
