/*
 * echo: a responder for t/fastcgi.t, built like every handler, whose routes exercise
 * the loop and not the product. Files are made in its working directory.
 */
#include <ctype.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/responder.h"

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved;
static int gate_inside;

/* A number from the query, within what a response may hold. */
static size_t
query_size(const struct request *rq)
{
	char text[16];

	if (!request_query(rq, "size", text, sizeof(text)))
		return 0;
	return strtoul(text, NULL, 10) % (2 * RESPONSE_MAX);
}

static void
run_echo(struct app *app, struct request *rq, struct response *rs)
{
	(void)app;
	response_bytes(
		rs, 200, "application/octet-stream", buf_str(&rq->body), rq->body.len);
}

static void
run_json(struct app *app, struct request *rq, struct response *rs)
{
	struct err e = ERR_INIT;
	json_t *v = request_json(rq, true, &e);

	(void)app;
	if (v == NULL)
		response_error(rs, rq, &e);
	else
		response_json(rs, 200, v);
}

/* Answers with the lengths of what came besides the body. */
static void
run_lengths(struct app *app, struct request *rq, struct response *rs)
{
	const char *header = request_header(rq, "X-Long");

	(void)app;
	response_json(rs, 200,
		json_pack("{s:i, s:i, s:i}", "header",
			header != NULL ? (int)strlen(header) : -1, "query",
			(int)strlen(rq->query), "body", (int)rq->body.len));
}

static void
run_big(struct app *app, struct request *rq, struct response *rs)
{
	size_t n = query_size(rq);
	char *p = malloc(n + 1);

	(void)app;
	for (size_t i = 0; p != NULL && i < n; i++)
		p[i] = (char)('a' + i % 23);
	if (p != NULL)
		response_bytes(rs, 200, "text/plain", p, n);
	free(p);
}

static void
run_header(struct app *app, struct request *rq, struct response *rs)
{
	size_t n = query_size(rq);
	char *p = malloc(n + 1);

	(void)app;
	if (p != NULL) {
		memset(p, 'h', n);
		p[n] = '\0';
		response_header(rs, "X-Long", p);
		response_header(rs, "X-Split", "a\r\nX-Injected: b");
		response_bytes(rs, 200, "text/plain", "ok", 2);
	}
	free(p);
}

static void
run_nothing(struct app *app, struct request *rq, struct response *rs)
{
	(void)app;
	(void)rq;
	(void)rs;
}

/* Makes the file NAME.in, then waits for the file NAME.go. */
static void
run_wait(struct app *app, struct request *rq, struct response *rs)
{
	char name[REQUEST_ARG_MAX + 8];
	int fd;

	(void)app;
	for (const char *p = rq->args[0]; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p))
			return;
	snprintf(name, sizeof(name), "%s.in", rq->args[0]);
	fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	snprintf(name, sizeof(name), "%s.go", rq->args[0]);
	while (access(name, F_OK) != 0)
		if (!clock_sleep(5, rq->deadline))
			return;
	response_bytes(rs, 200, "text/plain", "done", 4);
}

/* Answers once n requests are in here together: proof of n live threads. */
static void
run_gate(struct app *app, struct request *rq, struct response *rs)
{
	int n = (int)strtol(rq->args[0], NULL, 10), rc = 0;
	struct timespec until = {.tv_sec = rq->deadline / 1000,
		.tv_nsec = rq->deadline % 1000 * 1000000};

	(void)app;
	pthread_mutex_lock(&gate_lock);
	gate_inside++;
	pthread_cond_broadcast(&gate_moved);
	while (gate_inside < n && rc == 0)
		rc = pthread_cond_clockwait(
			&gate_moved, &gate_lock, CLOCK_MONOTONIC, &until);
	if (gate_inside >= n)
		response_bytes(rs, 200, "text/plain", "open", 4);
	pthread_mutex_unlock(&gate_lock);
}

/* Answers how many came together, and the body. */
static void
run_together(struct app *app, struct call *calls, size_t n)
{
	char text[200];

	(void)app;
	for (size_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%zu %s", n, buf_str(&calls[i].rq->body));
		response_bytes(calls[i].rs, 200, "text/plain", text, strlen(text));
	}
}

static const struct route routes[] = {
	{"POST", "/echo", 100000, run_echo},
	{"PUT", "/echo", 100000, run_echo},
	{"GET", "/echo", 0, run_echo},
	{"POST", "/json", 65536, run_json},
	{"POST", "/ignore", 0, run_lengths},
	{"GET", "/lengths", 0, run_lengths},
	{"GET", "/big", 0, run_big},
	{"GET", "/header", 0, run_header},
	{"GET", "/nothing", 0, run_nothing},
	{"GET", "/wait/{name}", 0, run_wait},
	{"GET", "/gate/{n}", 0, run_gate},
	{"POST", "/together", 100, NULL},
	{0},
};

static const struct responder one_by_one = {
	.name = "echo", .threads = 4, .needs = 0, .routes = routes};
static const struct responder together = {.name = "echo",
	.threads = 4,
	.needs = 0,
	.routes = routes,
	.run_all = run_together};

int
main(int argc, char **argv)
{
	pthread_cond_init(&gate_moved, NULL);
	return responder_main(
		getenv("ECHO_TOGETHER") != NULL ? &together : &one_by_one, argc, argv);
}
