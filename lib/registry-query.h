/*
 * registry-query: the filter of a list of servers as a request's query carries it.
 * Thread-safety: as request, which belongs to one thread.
 */
#ifndef WAPOOL_REGISTRY_QUERY_H
#define WAPOOL_REGISTRY_QUERY_H

#include <stdbool.h>

#include "lib/registry.h"
#include "lib/request.h"

/* Room for what a filter points into. */
struct registry_query {
	char ativo[8], kind[16], health[16], owner[40], text[256];
	char cursor[REGISTRY_CURSOR_SIZE];
};

/* limit, ativo, kind, health, user_id, q and cursor of the query into *f, which points into *q. False:
 * one of them has no possible value. */
bool registry_query(
	const struct request *rq, struct registry_query *q, struct registry_filter *f);

#endif
