/*
 * request: one HTTP request as a CGI/1.1 (RFC 3875) environment plus its body,
 * the same for FastCGI and plain CGI.
 *
 * Thread-safety: a request belongs to the thread that answers it.
 */
#ifndef WAPOOL_REQUEST_H
#define WAPOOL_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/message.h"

#define REQUEST_ARGS 2     /* {placeholders} a route's path may have */
#define REQUEST_ARG_MAX 80 /* bytes of one, without the NUL */

struct share_turn;

struct request {
	char *const *env;   /* "NAME=value" strings, NULL-terminated; borrowed */
	const char *method; /* never NULL; "" if the server sent none */
	/* DOCUMENT_URI (decoded, without query), never NULL; where the server sets
	 * none, SCRIPT_NAME followed by PATH_INFO */
	const char *path;
	const char *query; /* raw query string, never NULL */
	char id[40];     /* REQUEST_ID if it is 8 to 39 of [0-9A-Za-z-], else random */
	enum lang lang;  /* by Accept-Language: LANG_PT unless English is preferred */
	struct buf body; /* whole, at most the route's max_body */
	char args[REQUEST_ARGS][REQUEST_ARG_MAX + 1]; /* the path's {placeholders} */
	deadline_t deadline;     /* when the answer must be ready */
	struct share_turn *turn; /* where lib/auth counts its user, or NULL */
	char joined[256];        /* private: holds path where it had to be made */
};

/* Fills the struct from env; body is empty. env must outlive it. Never fails: what is
 * missing is "". Free with request_free. */
void request_init(struct request *rq, char *const *env);

/* Frees the body. NULL is allowed. */
void request_free(struct request *rq);

/* The CGI variable (e.g. "REMOTE_ADDR", "HTTP_X_WEBHOOK_HMAC"), borrowed from env; NULL
 * if it is not there. */
const char *request_env(const struct request *rq, const char *name);

/* The request header by its HTTP name in any case ("Idempotency-Key"), or NULL. */
const char *request_header(const struct request *rq, const char *name);

/* True if there is no If-Match, or it is "*", or one of its tags is the revision in quotes
 * (RFC 9110 section 13.1.1). */
bool request_if_match(const struct request *rq, int64_t revision);

/*
 * True if path matches pattern, e.g. "/webhook/{server_id}"; placeholders match one
 * non-empty segment of at most REQUEST_ARG_MAX bytes of valid UTF-8 and are copied to
 * rq->args in order.
 */
bool request_match(struct request *rq, const char *pattern);

/* True if the query has a parameter of that name, whatever its value. */
bool request_query_has(const struct request *rq, const char *name);

/* The decoded value of a query parameter into out (size bytes, NUL-terminated).
 * False, and out "", if it is absent, badly encoded, not UTF-8, holds a NUL or is
 * longer than out. */
bool request_query(const struct request *rq, const char *name, char *out, size_t size);

/* A query parameter into out (size bytes), which keeps its value where it is absent. words: what it
 * may be, NULL at their end; or NULL: anything. False, and out undefined: it is there and is none of
 * these, or request_query refuses it. */
bool request_query_word(const struct request *rq, const char *name,
	const char *const *words, char *out, size_t size);

/* The same for digits only, one at least: cursors that are numbers. REQUEST_DIGITS_SIZE holds what
 * PostgreSQL's bigint does. */
#define REQUEST_DIGITS_SIZE 19
bool request_query_digits(
	const struct request *rq, const char *name, char *out, size_t size);

/* A query parameter that is a number from least (not negative) to most, in digits only. *out
 * keeps its value where it is absent. False: it is there and is none; *out is then undefined. */
bool request_query_int(
	const struct request *rq, const char *name, int least, int most, int *out);

/*
 * The body as a JSON object: a new reference that the caller releases. Strict: RFC
 * 8259, valid UTF-8, no NUL in strings, no duplicate members, depth at most 16, an
 * object at the top. An empty body gives an empty object if empty_ok. NULL on failure:
 * ERR_INPUT with a sentence for the caller in e->text (English; says where; quotes
 * nothing of the input), also, with e->status 415, for a Content-Type that is there but
 * not application/json (parameters allowed); ERR_NOMEM.
 */
json_t *request_json(const struct request *rq, bool empty_ok, struct err *e)
	__attribute__((warn_unused_result));

/* How a client likes its answer: true if Accept prefers `type` ("image/svg+xml") to
 * `other`. Weights and wildcards as in RFC 9110 section 12.5.1; `other` if both are
 * liked equally or there is no Accept. */
bool request_prefers(const struct request *rq, const char *type, const char *other);

/* The strict parser behind request_json, for any bytes (gateways' answers): accepts any
 * JSON value at the top. A new reference; NULL with ERR_INPUT or ERR_NOMEM. */
json_t *json_parse_strict(const char *bytes, size_t n, struct err *e)
	__attribute__((warn_unused_result));

#endif
