#include "lib/live.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/http.h"
#include "lib/log.h"

#define ATTEMPT_MS 2000    /* one POST; nobody waits for it but later events */
#define WORTH_MS 5000      /* a page has asked again before an older event arrives */
#define END_WORTH_MS 60000 /* an end is worth more */
#define QUEUE_MAX 1000     /* events at a server that does not take them */
#define STOP_MS 500        /* for what is queued when the program ends */
#define COUNT_MS 1000      /* between two writings of the counters */
#define COUNT_DB_MS 1000   /* that one may take */
#define COMPLAIN_MS 60000
#define STACK_SIZE (512u << 10)
#define ANSWER_MAX 4096

static const struct db_stmt stmt_count = {
	"live_count", "SELECT count_up('live', $1, $2::bigint)", 2};

struct event {
	struct event *next;
	deadline_t until;
	const char *type,
		*json; /* in text, after the user; NULL: the end of his streams */
	char text[];
};

/* One nginx, and the thread that talks to it. */
struct server {
	struct live *live;
	char *name;         /* as LIVE_PUBLISH has it */
	const char *base;   /* "http://host:port"; may be name */
	const char *socket; /* the unix socket's path, in name, or NULL */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct event *first, **last; /* from here to done: under the lock */
	size_t queued;
	bool stopping, started;
	deadline_t stop_at;
	int64_t done[2]; /* failed and published, not yet counted */
	pthread_t thread;
	deadline_t count_at; /* from here on: the thread's own */
	int64_t failures;    /* since the last complaint */
	int64_t complained_at;
};

struct live {
	struct http *http;
	struct db_pool *db;
	size_t n;
	struct server servers[LIVE_SERVERS_MAX];
};

/* --- The thread of a server --- */

static bool
post(struct server *s, const struct event *ev, struct err *e)
{
	char url[400], type[80];
	const char *const headers[] = {"Content-Type: application/json", type, NULL};
	const bool end = ev->json == NULL;
	const struct http_request rq = {.method = end ? "DELETE" : "POST",
		.url = url,
		.socket = s->socket,
		.headers = end ? NULL : headers,
		.body = ev->json,
		.body_len = end ? 0 : strlen(ev->json),
		.max_answer = ANSWER_MAX};
	struct http_answer a;
	bool ok;

	snprintf(url, sizeof(url), "%s/publish/%s", s->base, ev->text);
	if (!end)
		snprintf(type, sizeof(type), "X-EventSource-Event: %s", ev->type);
	ok = http_call(s->live->http, &rq,
		     deadline_min(ev->until, deadline_in(ATTEMPT_MS)), &a, e) &&
		(a.status / 100 == 2 || (end && a.status == 404) ||
			err_set(e, ERR_UNAVAILABLE, "it answered %d", a.status));
	http_answer_free(&a);
	return ok;
}

static void
complain(struct server *s, const struct err *e)
{
	s->failures++;
	if (s->complained_at != 0 && clock_ms() - s->complained_at < COMPLAIN_MS)
		return;
	log_write(LOG_WARN, "live.publish", LOG_STR("server", s->name),
		LOG_STR("error", e->text), LOG_INT("failures", s->failures));
	s->complained_at = clock_ms();
	s->failures = 0;
}

static void
publish(struct server *s, const struct event *ev)
{
	struct err e = ERR_INIT;
	bool ok = post(s, ev, &e);

	pthread_mutex_lock(&s->lock);
	s->done[ok]++;
	pthread_mutex_unlock(&s->lock);
	if (!ok)
		complain(s, &e);
}

static bool
count_one(struct server *s, const char *label, int64_t n)
{
	char room[DB_PARAM_SIZE];
	struct err e = ERR_INIT;
	PGresult *r = db_query(s->live->db, deadline_in(COUNT_DB_MS), &stmt_count,
		(const char *[]){label, db_param_int(room, n)}, &e);

	PQclear(r);
	return r != NULL || e.code != ERR_UNAVAILABLE;
}

/* Writes the counters down; what the database surely did not take is kept. */
static void
count(struct server *s)
{
	static const char *const labels[] = {"failed", "published"};

	for (int i = 0; i < 2; i++) {
		int64_t n;

		pthread_mutex_lock(&s->lock);
		n = s->done[i];
		s->done[i] = 0;
		pthread_mutex_unlock(&s->lock);
		if (n == 0 || count_one(s, labels[i], n))
			continue;
		pthread_mutex_lock(&s->lock);
		s->done[i] += n;
		pthread_mutex_unlock(&s->lock);
	}
	s->count_at = deadline_in(COUNT_MS);
}

/* Waits for an event, or until the counters are to be written. Called with the lock. */
static void
wait_for_event(struct server *s)
{
	struct timespec at = {
		.tv_sec = s->count_at / 1000, .tv_nsec = s->count_at % 1000 * 1000000};
	bool uncounted = s->done[0] + s->done[1] > 0;

	if (!uncounted) {
		pthread_cond_wait(&s->changed, &s->lock);
	} else if (pthread_cond_timedwait(&s->changed, &s->lock, &at) == ETIMEDOUT) {
		pthread_mutex_unlock(&s->lock);
		count(s);
		pthread_mutex_lock(&s->lock);
	}
}

/* The next event, which the caller frees; NULL once the thread is to end. */
static struct event *
next_event(struct server *s)
{
	struct event *ev;

	pthread_mutex_lock(&s->lock);
	while (s->first == NULL && !s->stopping)
		wait_for_event(s);
	ev = s->first;
	if (ev != NULL) {
		s->first = ev->next;
		s->queued--;
		if (s->first == NULL)
			s->last = &s->first;
		if (s->stopping)
			ev->until = deadline_min(ev->until, s->stop_at);
	}
	pthread_mutex_unlock(&s->lock);
	return ev;
}

static void *
run(void *arg)
{
	struct server *s = arg;
	struct event *ev;

	while ((ev = next_event(s)) != NULL) {
		publish(s, ev);
		free(ev);
	}
	count(s);
	return NULL;
}

/* Starts the thread, deaf to signals: they are for the program's own. With the lock. */
static bool
ensure_thread(struct server *s)
{
	pthread_attr_t attr;
	sigset_t all, before;

	if (s->started)
		return true;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	s->started = pthread_create(&s->thread, &attr, run, s) == 0;
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return s->started;
}

/* --- From outside --- */

static struct event *
make_event(const char *user, const char *type, const char *json)
{
	size_t nuser = strlen(user) + 1, ntype = strlen(type) + 1;
	size_t njson = strlen(json) + 1;
	struct event *ev = malloc(sizeof(*ev) + nuser + ntype + njson);

	if (ev == NULL)
		return NULL;
	*ev = (struct event){.until = deadline_in(WORTH_MS)};
	ev->type = memcpy(ev->text + nuser, type, ntype);
	ev->json = memcpy(ev->text + nuser + ntype, json, njson);
	memcpy(ev->text, user, nuser);
	return ev;
}

static struct event *
make_end(const char *user)
{
	size_t nuser = strlen(user) + 1;
	struct event *ev = malloc(sizeof(*ev) + nuser);

	if (ev == NULL)
		return NULL;
	*ev = (struct event){.until = deadline_in(END_WORTH_MS)};
	memcpy(ev->text, user, nuser);
	return ev;
}

/* Takes the event. The oldest gives way if the queue is full. */
static void
enqueue(struct server *s, struct event *ev)
{
	struct event *old = NULL;

	pthread_mutex_lock(&s->lock);
	if (s->queued == QUEUE_MAX) {
		old = s->first;
		s->first = old->next;
		s->queued--;
		s->done[0]++;
	}
	*s->last = ev;
	s->last = &ev->next;
	s->queued++;
	if (ensure_thread(s))
		pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	free(old);
}

void
live_publish(void *arg, const char *user, const char *type, const char *json)
{
	struct live *l = arg;

	for (size_t i = 0; i < l->n; i++) {
		struct event *ev = make_event(user, type, json);

		if (ev != NULL)
			enqueue(&l->servers[i], ev);
	}
}

void
live_end(struct live *l, const char *user)
{
	for (size_t i = 0; l != NULL && i < l->n; i++) {
		struct event *ev = make_end(user);

		if (ev != NULL)
			enqueue(&l->servers[i], ev);
	}
}

static bool
add_server(struct live *l, const char *text, size_t n, struct err *e)
{
	struct server *s = &l->servers[l->n];
	bool unix_socket = n > 6 && strncmp(text, "unix:/", 6) == 0;
	pthread_condattr_t attr;

	if (l->n == LIVE_SERVERS_MAX)
		return err_set(e, ERR_CONFIG, "LIVE_PUBLISH: %d servers at the most",
			LIVE_SERVERS_MAX);
	if (!unix_socket && strncmp(text, "http://", 7) != 0 &&
		strncmp(text, "https://", 8) != 0)
		return err_set(e, ERR_CONFIG,
			"LIVE_PUBLISH: unix:/path or http://host:port, please");
	*s = (struct server){.live = l, .last = &s->first};
	s->name = strndup(text, n);
	if (s->name == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	s->base = unix_socket ? "http://localhost" : s->name;
	s->socket = unix_socket ? s->name + strlen("unix:") : NULL;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_condattr_destroy(&attr);
	l->n++;
	return true;
}

struct live *
live_new(const char *servers, const char *ca_file, struct db_pool *db, struct err *e)
{
	struct live *l = calloc(1, sizeof(*l));
	bool ok = l != NULL || err_set(e, ERR_NOMEM, "out of memory");

	if (ok) {
		l->db = db;
		l->http = http_new(ca_file, "", e);
		ok = l->http != NULL;
	}
	for (const char *at = servers; ok && *at != '\0';) {
		size_t n = strcspn(at, " ,");

		ok = n == 0 || add_server(l, at, n, e);
		at += n > 0 ? n : 1;
	}
	if (ok)
		return l;
	live_free(l);
	return NULL;
}

static void
server_free(struct server *s)
{
	struct event *ev;

	if (s->started)
		pthread_join(s->thread, NULL);
	while ((ev = s->first) != NULL) {
		s->first = ev->next;
		free(ev);
	}
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s->name);
}

void
live_free(struct live *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->n; i++) { /* all at once, then each */
		struct server *s = &l->servers[i];

		pthread_mutex_lock(&s->lock);
		s->stopping = true;
		s->stop_at = deadline_in(STOP_MS);
		pthread_cond_signal(&s->changed);
		pthread_mutex_unlock(&s->lock);
	}
	for (size_t i = 0; i < l->n; i++)
		server_free(&l->servers[i]);
	http_free(l->http);
	free(l);
}
