/*
 * route: the tables of what is answered, and how a request finds its row.
 */
#ifndef SIM_ROUTE_H
#define SIM_ROUTE_H

#include "request.h"

struct route {
	const char *method;
	const char *pattern; /* "*" stands for any one segment */
	void (*run)(struct request *r);
	int session_segment; /* which segment names the session; -1: none */
	unsigned status;     /* of a successful answer */
};

/* Cut the request's path into its segments. */
void route_split(struct request *r);

/* The first row that fits the request, or NULL. */
const struct route *
route_find(const struct route *table, size_t count, const struct request *r);

#endif
