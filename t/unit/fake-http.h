/*
 * fake-http: an HTTP server on 127.0.0.1 that answers by a script, for the tests of
 * what calls others. It runs in a thread of its own, serves one connection at a
 * time, keeps every request it read, and ends with fake_stop. Every function ends
 * the test on failure.
 */
#ifndef WAPOOL_T_FAKE_HTTP_H
#define WAPOOL_T_FAKE_HTTP_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t/unit/unit.h"

#define FAKE_REQUESTS 16
#define FAKE_SIZE 8192

enum fake_kind {
	FAKE_ANSWER, /* the text as it is, then the connection is kept */
	FAKE_JSON,   /* a whole answer: `status` and the text as application/json */
	FAKE_FILE,   /* likewise, of the bytes of the file that text names */
	FAKE_CLOSE,  /* the text as it is, then the end of the connection */
	FAKE_RESET,  /* the text, then a reset */
	FAKE_HANG,   /* the text, then nothing until the client goes */
	FAKE_DRIP,   /* the text, then a byte now and then until the client goes */
	FAKE_FLOOD   /* the text, then bytes as fast as they go */
};

struct fake_step {
	enum fake_kind kind;
	int status;
	const char *text;
};

/* A request past the script's end is kept and answered with 599. */
struct fake {
	const struct fake_step *steps;
	int nsteps;
	int listener, stop, port;
	pthread_t thread;
	atomic_int served; /* requests read so far */
	char seen[FAKE_REQUESTS][FAKE_SIZE];
	char url[64];
};

/* Waits for bytes of the client; false if it went, or the test is over. */
static inline bool
fake_wait(const struct fake *f, int fd, int ms)
{
	struct pollfd fds[2] = {
		{.fd = fd, .events = POLLIN}, {.fd = f->stop, .events = POLLIN}};

	return poll(fds, 2, ms) >= 0 && fds[1].revents == 0;
}

static inline size_t
fake_length(const char *request)
{
	const char *h = strcasestr(request, "\r\nContent-Length:");

	return h != NULL ? strtoul(h + 17, NULL, 10) : 0;
}

/* Reads one request, head and body, into `to`. False if none came. */
static inline bool
fake_read(const struct fake *f, int fd, char to[FAKE_SIZE])
{
	size_t n = 0;

	while (fake_wait(f, fd, -1)) {
		ssize_t got = read(fd, to + n, FAKE_SIZE - 1 - n);
		const char *end;

		if (got <= 0)
			return false;
		n += (size_t)got;
		to[n] = '\0';
		end = strstr(to, "\r\n\r\n");
		if (end != NULL && n >= (size_t)(end + 4 - to) + fake_length(to))
			return true;
	}
	return false;
}

static inline void
fake_send(int fd, const char *text)
{
	size_t n = strlen(text);

	while (n > 0) {
		ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		text += sent;
		n -= (size_t)sent;
	}
}

static inline void
fake_send_json(int fd, const struct fake_step *step)
{
	char head[160];

	snprintf(head, sizeof(head),
		"HTTP/1.1 %d Whatever\r\nContent-Type: application/json; "
		"charset=utf-8\r\n"
		"Content-Length: %zu\r\n\r\n",
		step->status, strlen(step->text));
	fake_send(fd, head);
	fake_send(fd, step->text);
}

static inline void
fake_send_file(int fd, const struct fake_step *step)
{
	FILE *f = fopen(step->text, "rb");
	char bytes[8192], head[80];
	size_t n;

	ck_assert_ptr_nonnull(f);
	n = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	snprintf(head, sizeof(head),
		"HTTP/1.1 %d Whatever\r\nContent-Length: %zu\r\n\r\n", step->status, n);
	fake_send(fd, head);
	ck_assert_int_eq(send(fd, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
}

/* Sends without end: a byte each 20 ms, or many. */
static inline void
fake_pour(const struct fake *f, int fd, bool fast)
{
	char bytes[4096];
	struct pollfd end = {.fd = f->stop, .events = POLLIN};

	memset(bytes, 'x', sizeof(bytes));
	while (poll(&end, 1, fast ? 0 : 20) == 0 &&
		send(fd, bytes, fast ? sizeof(bytes) : 1, MSG_NOSIGNAL) > 0)
		;
}

/* Does what the step says; true if the connection stays open. */
static inline bool
fake_do(const struct fake *f, int fd, const struct fake_step *step)
{
	const struct linger now = {.l_onoff = 1};

	if (step->kind == FAKE_JSON)
		fake_send_json(fd, step);
	else if (step->kind == FAKE_FILE)
		fake_send_file(fd, step);
	else if (step->text != NULL)
		fake_send(fd, step->text);
	switch (step->kind) {
	case FAKE_ANSWER:
	case FAKE_JSON:
	case FAKE_FILE:
		return true;
	case FAKE_RESET:
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		return false;
	case FAKE_HANG:
		fake_wait(f, fd, -1);
		return false;
	case FAKE_DRIP:
	case FAKE_FLOOD:
		fake_pour(f, fd, step->kind == FAKE_FLOOD);
		return false;
	default:
		return false;
	}
}

static inline void
fake_serve(struct fake *f, int fd)
{
	static const struct fake_step beyond = {FAKE_CLOSE, 0,
		"HTTP/1.1 599 Beyond the script\r\nConnection: close\r\n"
		"Content-Length: 0\r\n\r\n"};
	char request[FAKE_SIZE];
	bool open = true;

	while (open && fake_read(f, fd, request)) {
		int i = atomic_load(&f->served);

		if (i < FAKE_REQUESTS)
			memcpy(f->seen[i], request, sizeof(request));
		atomic_store(&f->served, i + 1);
		open = fake_do(f, fd, i < f->nsteps ? &f->steps[i] : &beyond);
	}
	close(fd);
}

static inline void *
fake_run(void *arg)
{
	struct fake *f = arg;

	while (fake_wait(f, f->listener, -1)) {
		int fd = accept(f->listener, NULL, NULL);

		if (fd >= 0)
			fake_serve(f, fd);
	}
	return NULL;
}

/* A socket on a free port of 127.0.0.1. As long as it is open and does not listen, who
 * calls there is refused. */
static inline int
fake_bind(int *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t size = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

/* The same, listening. */
static inline int
fake_listen(int *port)
{
	int fd = fake_bind(port);

	ck_assert_int_eq(listen(fd, 16), 0);
	return fd;
}

/* Starts a server that answers its i-th request by steps[i]. */
static inline void
fake_start(struct fake *f, const struct fake_step *steps, int nsteps)
{
	*f = (struct fake){.steps = steps, .nsteps = nsteps};
	f->listener = fake_listen(&f->port);
	f->stop = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_ge(f->stop, 0);
	snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d", f->port);
	ck_assert_int_eq(pthread_create(&f->thread, NULL, fake_run, f), 0);
}

static inline void
fake_stop(struct fake *f)
{
	uint64_t one = 1;

	ck_assert_int_eq(write(f->stop, &one, sizeof(one)), (ssize_t)sizeof(one));
	pthread_join(f->thread, NULL);
	close(f->listener);
	close(f->stop);
}

/* How many requests came. Once an answer has come back, its request is counted. */
static inline int
fake_count(struct fake *f)
{
	return atomic_load(&f->served);
}

/* The same, when so many were sent and nobody waited for an answer: the server may not
 * have read the last ones yet. */
static inline int
fake_await(struct fake *f, int n)
{
	for (int ms = 0; ms < 20000 && fake_count(f) < n; ms++)
		usleep(1000);
	return fake_count(f);
}

/* The i-th request as it was read; "" if there was none. */
static inline const char *
fake_seen(struct fake *f, int i)
{
	return i < fake_count(f) && i < FAKE_REQUESTS ? f->seen[i] : "";
}

/* The i-th request's body. */
static inline const char *
fake_body(struct fake *f, int i)
{
	const char *end = strstr(fake_seen(f, i), "\r\n\r\n");

	return end != NULL ? end + 4 : "";
}

/* True if the i-th request's head has that line. */
static inline bool
fake_has(struct fake *f, int i, const char *line)
{
	const char *at = strstr(fake_seen(f, i), line);

	return at != NULL && (at == f->seen[i] || at[-1] == '\n') &&
		strncmp(at + strlen(line), "\r\n", 2) == 0;
}

#endif
