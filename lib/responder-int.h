/*
 * responder-int: what the files behind responder.h share; for no other file.
 *
 *   responder.c        start: arguments, configuration, which of the two ways
 *   responder-fcgi.c   threads on an inherited listening socket (libfcgi)
 *   responder-cgi.c    the one request of a CGI process
 *   responder-serve.c  requests, whichever way they came: body, route, answer, log
 */
#ifndef WAPOOL_RESPONDER_INT_H
#define WAPOOL_RESPONDER_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/responder.h"

/* The web server at the other end, for one request. */
struct peer {
	char *const *env; /* the CGI variables */
	/* Bytes read, 0 at the body's end, -1 if the rest of the body will not come. */
	ssize_t (*read)(struct peer *p, char *into, size_t size);
	/* Sends the whole answer. False if the other end is gone. */
	bool (*write)(struct peer *p, const char *bytes, size_t n);
	/* Set by responder_serve: */
	deadline_t deadline; /* before the first read */
	bool unread;         /* some of the body was left behind */
	bool dropped; /* without an answer, because the body broke off: to be closed */
};

/* Answers the requests of n peers, RESPONDER_AT_ONCE at the most. */
void responder_serve(const struct responder *r, struct app *app,
	struct peer *const *peers, size_t n);

/* Blocks the signals that ask a responder to stop, in this thread and
 * those it starts. */
void responder_block_signals(void);

/* True unless standard input is a listening socket. Initialises libfcgi, so the signals
 * must be blocked before. */
bool responder_is_cgi(void);

/* The two ways to run; they return the exit status. */
int responder_run_fcgi(const struct responder *r, struct app *app);
int responder_run_cgi(const struct responder *r, struct app *app);

#endif
