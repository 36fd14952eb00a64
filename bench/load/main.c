#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/load/load.h"

#define GRACE_S 30 /* for answers after the end */
#define SHOT_MAX (16u << 20)
struct load {
	struct target to;
	struct options o;
	struct conn *conns; /* o.conns of them */
	struct conn **idle;
	int nidle;
	struct shot *shots;
	size_t nshots, next;
	char **values;
	size_t nvalues;
	struct outcome *all;
	size_t n, size;
	size_t sent, unsent;
	int64_t begin_ns, measured_ns, end_ns, last_ns, due_ns;
};

int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void *
grown(void *p, size_t n, size_t *size, size_t each)
{
	if (n < *size)
		return p;
	*size = *size > 0 ? *size * 2 : 4096;
	p = reallocarray(p, *size, each);
	if (p == NULL)
		err(1, "out of memory");
	return p;
}

/* A line with the length of what follows it: false at the end of the file. */
static bool
read_length(FILE *f, const char *path, size_t *len)
{
	char line[32], *end;

	if (fgets(line, sizeof(line), f) == NULL) {
		if (ferror(f))
			err(1, "%s", path);
		return false;
	}
	errno = 0;
	*len = strtoul(line, &end, 10);
	if (!isdigit((unsigned char)*line) || *end != '\n' || errno != 0 ||
		*len > SHOT_MAX)
		errx(1, "%s: no length of a request where one should be", path);
	return true;
}

static void
read_shots(struct load *l, const char *path)
{
	FILE *f = fopen(path, "rb");
	struct shot s;
	size_t size = 0;

	if (f == NULL)
		err(1, "%s", path);
	while (read_length(f, path, &s.len)) {
		s.bytes = malloc(s.len > 0 ? s.len : 1);
		if (s.bytes == NULL)
			err(1, "out of memory");
		if (fread(s.bytes, 1, s.len, f) != s.len)
			errx(1, "%s: cut short", path);
		l->shots = grown(l->shots, l->nshots, &size, sizeof(s));
		l->shots[l->nshots++] = s;
	}
	fclose(f);
	if (l->nshots == 0)
		errx(1, "%s: no requests", path);
}

static void
note_value(struct load *l, const char *body)
{
	static size_t size;
	const char *p = strstr(body, l->o.member), *end;

	if (p == NULL)
		return;
	p += strlen(l->o.member) + 1; /* past the quote that ends the name */
	p += strspn(p, " :\"");
	end = strchr(p, '"');
	if (end == NULL)
		return;
	l->values = grown(l->values, l->nvalues, &size, sizeof(char *));
	l->values[l->nvalues] = strndup(p, (size_t)(end - p));
	if (l->values[l->nvalues++] == NULL)
		err(1, "out of memory");
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t
distinct(struct load *l)
{
	size_t n = 0;

	if (l->nvalues > 0)
		qsort(l->values, l->nvalues, sizeof(char *), by_text);
	for (size_t i = 0; i < l->nvalues; i++)
		n += i == 0 || strcmp(l->values[i], l->values[i - 1]) != 0;
	return n;
}

static bool
may_send(const struct load *l, int64_t at)
{
	return at < l->end_ns && (l->o.most == 0 || l->sent < l->o.most);
}

/* Sends what is due on idle connections. */
static void
send_due(struct load *l, int64_t now)
{
	while (l->nidle > 0) {
		int64_t began = l->o.rate > 0 ? l->due_ns : now;

		if (began > now || !may_send(l, began))
			return;
		conn_send(l->idle[--l->nidle], &l->to, &l->shots[l->next], began);
		l->next = (l->next + 1) % l->nshots;
		l->sent++;
		if (l->o.rate > 0)
			l->due_ns += (int64_t)(-log(1 - drand48()) / l->o.rate * 1e9);
	}
}

static void
note_id(struct load *l, const struct conn *c, int status)
{
	const char *id = strcasestr(c->in, "\r\nX-Request-Id: ");

	fprintf(l->o.out, "%.*s %d %lld\n",
		id != NULL ? (int)strcspn(id + 16, "\r") : 1,
		id != NULL ? id + 16 : "-", status,
		(long long)(l->last_ns - c->began_ns) / 1000);
}

static void
take(struct load *l, const struct conn *c, int status, const char *body)
{
	l->last_ns = now_ns();
	if (l->o.member != NULL && status == 200)
		note_value(l, body);
	if (c->began_ns < l->measured_ns)
		return;
	if (l->o.out != NULL)
		note_id(l, c, status);
	l->all = grown(l->all, l->n, &l->size, sizeof(*l->all));
	l->all[l->n++] =
		(struct outcome){.us = (uint32_t)((l->last_ns - c->began_ns) / 1000),
			.status = (uint16_t)status};
}

/* Handles what has happened until `until`, at most. */
static void
wait_events(struct load *l, int64_t until)
{
	struct epoll_event events[256];
	int64_t left = until - now_ns();
	struct timespec ts = {.tv_nsec = left > 0 ? left % 1000000000 : 0,
		.tv_sec = left > 0 ? left / 1000000000 : 0};
	int n = epoll_pwait2(l->to.epoll_fd, events, 256, &ts, NULL);

	if (n < 0 && errno != EINTR)
		err(1, "epoll_pwait2");
	for (int i = 0; i < n; i++) {
		struct conn *c = events[i].data.ptr;
		bool was_idle = c->state == CONN_IDLE;
		const char *body;
		int status;

		if (conn_advance(c, &l->to, &status, &body))
			take(l, c, status, body);
		if (c->state == CONN_IDLE && !was_idle)
			l->idle[l->nidle++] = c;
		if (c->state != CONN_IDLE && was_idle) { /* closed by the server */
			for (int k = 0; k < l->nidle; k++)
				if (l->idle[k] == c)
					l->idle[k] = l->idle[--l->nidle];
		}
	}
}

static bool
is_over(const struct load *l, int64_t now)
{
	bool none_busy = true;

	for (int i = 0; i < l->o.conns && none_busy; i++)
		none_busy = l->conns[i].state != CONN_BUSY;
	if (now > l->end_ns + GRACE_S * (int64_t)1000000000)
		return true;
	return none_busy && !may_send(l, l->o.rate > 0 ? l->due_ns : now);
}

static void
open_all(struct load *l)
{
	l->to.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->conns = calloc((size_t)l->o.conns, sizeof(*l->conns));
	l->idle = calloc((size_t)l->o.conns, sizeof(*l->idle));
	if (l->to.epoll_fd < 0 || l->conns == NULL || l->idle == NULL)
		err(1, "connections");
	for (int i = 0; i < l->o.conns; i++)
		conn_open(&l->conns[i], &l->to);
	while (l->nidle < l->o.conns)
		wait_events(l, now_ns() + 1000000000);
}

static void
run(struct load *l)
{
	int64_t now;

	open_all(l);
	l->begin_ns = l->due_ns = now_ns();
	l->measured_ns = l->begin_ns + (int64_t)(l->o.warmup * 1e9);
	l->end_ns = l->measured_ns + (int64_t)(l->o.seconds * 1e9);
	while (!is_over(l, now = now_ns())) {
		send_due(l, now);
		wait_events(l,
			l->o.rate > 0 && l->nidle > 0 && l->due_ns > now &&
					may_send(l, l->due_ns)
				? l->due_ns
				: now + 100000000);
	}
	for (int i = 0; i < l->o.conns; i++) /* never answered: that is no success */
		if (l->conns[i].state == CONN_BUSY) {
			l->conns[i].in[0] = '\0';
			take(l, &l->conns[i], 0, "");
		}
	/* what fell due and found no connection before the end of all patience */
	for (; l->o.rate > 0 && l->o.most == 0 && l->due_ns < l->end_ns; l->unsent++)
		l->due_ns += (int64_t)(-log(1 - drand48()) / l->o.rate * 1e9);
}

static void
tell(struct load *l)
{
	char values[40] = "", more[200];
	struct rusage used;
	int64_t ended =
		l->o.most > 0 || l->last_ns > l->end_ns ? l->last_ns : l->end_ns;

	getrusage(RUSAGE_SELF, &used);
	if (l->o.member != NULL)
		snprintf(values, sizeof(values), ", \"distinct\": %zu", distinct(l));
	snprintf(more, sizeof(more), ", \"unsent\": %zu, \"client_cpu_s\": %.2f%s",
		l->unsent,
		(double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
			(double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
		values);
	report(l->all, l->n, (double)(ended - l->measured_ns) / 1e9, more);
}

/* Gives everything back, so that a leak found by the sanitizers is one. */
static void
end(struct load *l)
{
	for (int i = 0; i < l->o.conns; i++) {
		conn_close(&l->conns[i]);
		free(l->conns[i].in);
	}
	for (size_t i = 0; i < l->nshots; i++)
		free(l->shots[i].bytes);
	for (size_t i = 0; i < l->nvalues; i++)
		free(l->values[i]);
	free(l->conns);
	free(l->idle);
	free(l->shots);
	free(l->values);
	free(l->all);
	SSL_CTX_free(l->to.tls);
	close(l->to.epoll_fd);
}

int
main(int argc, char **argv)
{
	struct load l = {.to = {.host = "127.0.0.1"}};
	struct options *o = &l.o;

	options_read(o, argc, argv);
	srand48(o->seed);
	l.to.port = o->port;
	signal(SIGPIPE, SIG_IGN);
	if (!o->clear && (l.to.tls = SSL_CTX_new(TLS_client_method())) == NULL)
		errx(1, "TLS");
	read_shots(&l, o->file);
	run(&l);
	tell(&l);
	end(&l);
	if ((o->out != NULL && fclose(o->out) != 0) || fflush(stdout) != 0)
		err(1, "what was measured could not be written");
	return 0;
}
