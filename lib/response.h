/*
 * response: an answer built whole in memory before its first byte is sent.
 *
 * JSON success bodies; errors as application/problem+json (RFC 9457) with the seeds' `error`
 * and `message` beside them and `requestId`. Thread-safety: belongs to the answering thread.
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

/* An empty 500: a handler that forgets to answer is a bug, not a 200. */
void response_init(struct response *rs);
void response_free(struct response *rs);

/* Adds a header. A value with CR, LF or NUL is dropped (response splitting). */
void response_header(struct response *rs, const char *name, const char *value);

/* Answers with a JSON value and takes the reference (also on failure, and NULL gives a 500).
 * Adds Cache-Control: no-store, unless the handler set one: every answer is somebody's. */
void response_json(struct response *rs, int status, json_t *taken);

/* Answers with bytes already rendered; content_type must be a constant. Cache-Control as
 * above. */
void response_bytes(struct response *rs, int status, const char *content_type,
	const void *p, size_t n);

/*
 * Answers with a problem. detail: a sentence in the caller's terms instead of the default
 * one, or NULL. Replaces whatever was prepared, headers included; adds Retry-After and
 * WWW-Authenticate where the problem says so. rq may be NULL. Body:
 * {"type":"urn:wapool:problem:<code>","title","status","detail","instance":<path>,
 *  "error":<title>,"message":<detail>,"requestId"}.
 */
void response_problem(struct response *rs, const struct request *rq, enum problem p,
	const char *detail);

/* The same, with one more member: "errors":[{"pointer":"/field","detail":...}]. */
void response_invalid(struct response *rs, const struct request *rq,
	const char *pointer, const char *detail);

/* Chooses the problem that fits an error of lib (ERR_INPUT -> bad-json or 415 by e->status,
 * ERR_TIMEOUT/ERR_UNAVAILABLE -> unavailable, ...) and logs it. e->text is shown to the caller
 * only for ERR_INPUT, and then not logged: it may quote what was sent. */
void response_error(struct response *rs, const struct request *rq, const struct err *e);

/* Renders Status, headers and body as CGI output ("Status: 200 OK\r\n...") into out. With
 * head_only the body is left out but Content-Length tells its size. False if out is too small. */
bool response_render(const struct response *rs, bool head_only, struct buf *out);

#endif
