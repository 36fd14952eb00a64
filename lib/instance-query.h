/*
 * instance-query: the filter of a list of instances as a request's query carries it, and the
 * way to the next page. Thread-safety: as request and response, which belong to one thread.
 */
#ifndef WAPOOL_INSTANCE_QUERY_H
#define WAPOOL_INSTANCE_QUERY_H

#include <stdbool.h>

#include "lib/instance.h"
#include "lib/request.h"
#include "lib/response.h"

/* Room for what a filter points into. */
struct instance_query {
	char lifecycle[16], health[16], server[256], status[51], origin[8], text[81];
	char cursor[INSTANCE_CURSOR_SIZE];
};

/* lifecycle, health, server, status, origin, q, cursor and limit of the query into *f, which points into
 * *q. False: one of them has no possible value, and rs holds the 422. */
bool instance_query(const struct request *rq, struct instance_query *q,
	struct instance_filter *f, struct response *rs);

/* Adds Link: the request's query with the next cursor, at path (RFC 8288). */
void instance_link_next(const struct request *rq, const char *path, const char *next,
	struct response *rs);

#endif
