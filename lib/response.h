/*
 * response: an answer built whole in memory before its first byte is sent.
 *
 * Successes as JSON; errors as application/problem+json (RFC 9457) with `error` and
 * `message`, which older front ends read, and `requestId` beside its members.
 * Thread-safety: a response belongs to the thread that answers.
 */
#ifndef WAPOOL_RESPONSE_H
#define WAPOOL_RESPONSE_H

#include <jansson.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/message.h"
#include "lib/request.h"

#define RESPONSE_MAX (4u << 20)

struct response {
	int status;
	const char *content_type;
	struct buf headers; /* "Name: value\r\n" lines but Status and Content-Type */
	struct buf body;
};

/* An empty 500: a handler that forgets to answer is a bug, not a 200.
 * Free with response_free. */
void response_init(struct response *rs);

/* Frees headers and body. NULL is allowed. */
void response_free(struct response *rs);

/* Adds a header. One with CR or LF in its value is left out (response splitting), and,
 * with a line in the log, one that does not fit. */
void response_header(struct response *rs, const char *name, const char *value);

/* Answers with a JSON value and takes its reference, also on failure; NULL
 * gives a 500. Adds Cache-Control: no-store, unless the handler set one: every
 * answer is somebody's. */
void response_json(struct response *rs, int status, json_t *taken);

/* Answers with n bytes already rendered, which are copied; content_type must be a
 * constant (NULL: none). Cache-Control as above. */
void response_bytes(struct response *rs, int status, const char *content_type,
	const void *p, size_t n);

/*
 * Answers with a problem. detail: a sentence in the caller's terms instead of the
 * default one, or NULL. Replaces whatever was prepared, headers included; adds
 * Retry-After and WWW-Authenticate where the problem says so. rq may be NULL. The body:
 *
 *   {"type":"urn:wapool:problem:<code>","title","status","detail","instance":<path>,
 *    "error":<title>,"message":<detail>,"requestId"}
 */
void response_problem(struct response *rs, const struct request *rq, enum problem p,
	const char *detail);

/* PROBLEM_INVALID, with one more member: "errors":[{"pointer":"/field","detail":...}].
 * pointer is a JSON pointer (RFC 6901), "" for the whole body; want says what should be there.
 * Always false, so that `return response_invalid(...)` reads well. */
bool response_invalid(struct response *rs, const struct request *rq,
	const char *pointer, enum message want);

/* The same for several: faults is an array of {"pointer", "detail"} with one at least; the first one's
 * detail is the problem's. Borrowed. */
void response_invalid_all(
	struct response *rs, const struct request *rq, const json_t *faults);

/* Chooses the problem that fits an error of lib (ERR_INPUT: bad-json, or 415 by
 * e->status; ERR_TIMEOUT and ERR_UNAVAILABLE: unavailable; ...) and logs it.
 * e->text is shown to the caller only for ERR_INPUT, and then not logged: it may
 * quote what was sent. */
void response_error(struct response *rs, const struct request *rq, const struct err *e);

/* The request's body as request_json reads it: a new reference. NULL: rs holds the answer that
 * says what is wrong with it. */
json_t *response_or_json(struct response *rs, const struct request *rq, bool empty_ok)
	__attribute__((warn_unused_result));

/* Appends Status, headers and body as CGI output ("Status: 200 OK\r\n...") to out. With
 * head_only the body is left out, but Content-Length tells its size. False if out
 * cannot hold it or the response could not be built. */
bool response_render(const struct response *rs, bool head_only, struct buf *out);

#endif
