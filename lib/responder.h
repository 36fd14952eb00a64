/*
 * responder: the loop that turns a table of routes into a FastCGI responder, or, when
 * started by a web server as plain CGI, into one that answers a single request. libfcgi
 * stays behind it. Rules and their reasons: docs/architecture.md, "Responders".
 */
#ifndef WAPOOL_RESPONDER_H
#define WAPOOL_RESPONDER_H

#include <stddef.h>

#include "lib/app.h"
#include "lib/request.h"
#include "lib/response.h"

/* Answers one request. app is shared by all threads; rq and rs are this thread's. */
typedef void route_run(struct app *app, struct request *rq, struct response *rs);

#define RESPONDER_AT_ONCE 16 /* requests that a thread answers together, at the most */

/* One of them. Both are the responder's, until run_all returns. */
struct call {
	struct request *rq;
	struct response *rs;
};

/* Answers n of them, 1 to RESPONDER_AT_ONCE, of any route that has no `run` of its own. Fills
 * every rs; one that is left empty is answered 500. Before it logs about one it says so with
 * log_request_id. */
typedef void route_run_all(struct app *app, struct call *calls, size_t n);

struct route {
	const char *method; /* "GET" answers HEAD too; OPTIONS is answered with Allow */
	const char *path;   /* "/webhook/{server_id}" */
	size_t max_body;    /* bytes, else 413; 0: a body is read and ignored */
	route_run *run;     /* NULL: the responder's run_all */
};

struct responder {
	const char *name; /* as in logs: "connect" */
	int threads;      /* unless THREADS is set */
	bool waits; /* for others' servers: half of the threads are one user's at most */
	unsigned needs; /* APP_* of lib/app.h: what must be open before a request */
	const struct route *routes; /* ends with a route whose path is NULL */
	/* Or NULL. With it a thread takes all requests there are, not one at a time: for short
	 * ones that can share their way to the database, since all wait for the slowest. */
	route_run_all *run_all;
};

/*
 * Runs until SIGTERM, SIGINT or SIGUSR1 (FastCGI: requests in progress are answered)
 * or until the one request is answered (CGI). Returns the exit status: 0, or 1 with
 * a line in the log if it could not start or lost its socket. With an argument:
 * --help and --version print and return 0, any other returns 1. Called once, by
 * main, before any thread.
 */
int responder_main(const struct responder *r, int argc, char **argv);

#endif
