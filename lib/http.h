/*
 * http: calls to other people's servers. Only http.c includes curl, guard.c, which
 * shares its idea of a URL, and app.c, which initialises it.
 *
 * Every call has an absolute deadline and a cap on the answer; redirects are not
 * followed, proxies of the environment are ignored, only http and https are spoken, TLS
 * is verified. A guarded call dials only what lib/guard lets it, and never uses a
 * connection that another call made unguarded. What comes back is hostile until a driver has parsed it.
 *
 * Thread-safety: a struct http may be used from all threads; handles (and with them the
 * open connections) are lent to one call at a time.
 */
#ifndef WAPOOL_HTTP_H
#define WAPOOL_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/guard.h"

struct http;

struct http_request {
	const char *method; /* "GET", "POST", ... */
	const char *url;    /* absolute */
	const char *socket; /* a unix socket to dial instead of url's host; or NULL */
	const char *const *headers; /* "Name: value", NULL at the end; or NULL */
	const char *body;           /* or NULL */
	size_t body_len;
	size_t max_answer; /* bytes; 0: 1 MiB */
	bool once;         /* on a connection of its own: libcurl repeats by itself what
			      a kept one swallowed */
	bool guarded;      /* a user chose the URL: lib/guard decides where it may go */
};

struct http_answer {
	int status; /* HTTP's, always 200..599 after success */
	char content_type[64];
	bool sent; /* the request may have left: true after success, and after a failure
		      once the connection was made */
	struct buf body;
	int64_t duration_us;
	int64_t retry_after_s; /* from Retry-After, seconds or date; 0: none */
};

/* ca_file: more certificates to trust, or "". allow: see guard_init. Needs
 * curl_global_init (app_open does it). NULL with ERR_NOMEM or an error of guard_init.
 * Free with http_free. */
struct http *http_new(const char *ca_file, const char *allow, struct err *e);

/* Who decides about guarded calls; lives as long as h. */
const struct guard *http_guard(const struct http *h);

/* Answers for the name server from now on, as curl's CURLOPT_RESOLVE wants it
 * ("name:port:address[,address]..."): for tests, before threads. */
bool http_resolve(struct http *h, const char *entry);

void http_free(struct http *h);

/*
 * Makes the call. True if an HTTP answer came, whatever its status; the caller frees it
 * with http_answer_free (also after failure). False: ERR_TIMEOUT (the deadline passed;
 * e->status is 1 if the request may have left), ERR_UNAVAILABLE (e->cause: name, connect,
 * tls or reset), ERR_BLOCKED (guarded, and no address is left that may be dialled),
 * ERR_PROTOCOL (the answer is not HTTP), ERR_TOO_LARGE (the answer was longer than
 * max_answer; a->status is its status all the same), ERR_INPUT (not a usable URL, or a
 * line break in a header), ERR_NOMEM. e->text says which, without the URL.
 */
bool http_call(struct http *h, const struct http_request *rq, deadline_t d,
	struct http_answer *a, struct err *e);
void http_answer_free(struct http_answer *a);

/* Appends s, percent-encoded for use as one path segment (RFC 3986 unreserved stay). */
bool http_escape(struct buf *out, const char *s);

#endif
