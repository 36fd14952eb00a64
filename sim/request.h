/*
 * request: one HTTP request and the answer being made.
 *
 * A handler runs with the gateway's lock held, fills in the answer and returns; what
 * it does not fill in is an empty 200. Where it blocks (request_sleep) the lock is
 * free, and if that returns false the handler returns at once: the connection will be
 * reset.
 */
#ifndef SIM_REQUEST_H
#define SIM_REQUEST_H

#include "gateway.h"
#include "text.h"

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#define REQUEST_SEGMENTS 8

enum request_end {
	REQUEST_ANSWER,
	REQUEST_RESET, /* reset the connection instead */
	REQUEST_HANG,  /* never answer */
};

struct request {
	struct MHD_Connection *conn;
	struct gateway *gw;
	unsigned epoch;     /* the gateway's when the request began */
	const char *method; /* a string literal */
	char *path;         /* decoded, without the /s/<gateway> prefix */
	char *split;        /* where the segments live */
	char *seg[REQUEST_SEGMENTS];
	int segs;
	struct text raw; /* the body as it came */
	bool too_big;
	json_t *body;        /* the body as JSON, or NULL */
	const char *session; /* the session it is about, or NULL */
	const char *route;   /* the route that matched, for the counters */
	enum request_end end;
	unsigned status;
	const char *type; /* the answer's content type */
	struct text out;
};

/* A query parameter, or NULL. */
const char *request_query(const struct request *r, const char *name);

/* A header, or NULL. */
const char *request_header(const struct request *r, const char *name);

/* Sleep simulated_ms; false if the request is over meanwhile. */
bool request_sleep(struct request *r, int64_t simulated_ms)
	__attribute__((warn_unused_result));

/* The session named so on the request's gateway, or NULL. */
struct session *request_session(const struct request *r, const char *name);

/* A string member of the body, or NULL. */
const char *request_string(const struct request *r, const char *key);

#endif
