/*
 * stats: how many requests each route answered with each status.
 *
 * Called with the gateway's lock held.
 */
#ifndef SIM_STATS_H
#define SIM_STATS_H

#include "text.h"

#include <stddef.h>

struct stat_line {
	const char *route; /* a string literal: compared by address first */
	const char *method;
	unsigned status; /* 0: no answer (reset, hang) */
	unsigned long long count;
};

/* Zeroed is empty. */
struct stats {
	struct stat_line *lines;
	size_t count;
	size_t cap;
};

/* Count one request; method and route must outlive the stats. */
void
stats_count(struct stats *st, const char *method, const char *route, unsigned status);

/* Append [{"method","route","status","count"},...]. */
void stats_add_json(const struct stats *st, struct text *out);

/* Forget all. */
void stats_clear(struct stats *st);

#endif
