/*
 * metrics-int: what the files behind metrics.h share; for no other file.
 *
 *   metrics.c         counting that SQL does not do by itself
 *   metrics-text.c    the families, read and written as text
 */
#ifndef WAPOOL_METRICS_INT_H
#define WAPOOL_METRICS_INT_H

#include <libpq-fe.h>

#include "lib/metrics.h"

/* Appends the families whose samples those results hold, in the table's order; a family without a
 * sample is left out. Rows: family, suffix, the labels' values joined by commas, value. A row of
 * an unknown family, or with another number of labels, is left out. */
bool metrics_render(
	enum metrics_format f, PGresult *const *results, size_t n, struct buf *out);

#endif
