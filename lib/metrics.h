/*
 * metrics: what GET /metrics shows, and the counting that SQL does not do by itself.
 *
 * Counters live in the table `counters` (migration `metrics`), where the transactions that do the
 * thing bump them; this file reads and writes them in the text formats of Prometheus and
 * OpenMetrics. No user, phone, session or host is in a label; a server is there by its id.
 * docs/monitoring.md has every family and what a scrape costs.
 * Thread-safety: as db; the count of refusals in struct app is atomic.
 */
#ifndef WAPOOL_METRICS_H
#define WAPOOL_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/app.h"
#include "lib/buf.h"
#include "lib/clock.h"

enum metrics_format {
	METRICS_TEXT,       /* Prometheus text format 0.0.4 */
	METRICS_OPENMETRICS /* OpenMetrics 1.0 */
};

/* The Content-Type of a format; a constant. */
const char *metrics_content_type(enum metrics_format f);

/* Appends every family to out. False with the errors of db, or ERR_TOO_LARGE if out cannot hold
 * them; out then holds a part that is worth nothing. */
bool metrics_write(struct app *app, enum metrics_format f, deadline_t d,
	struct buf *out, struct err *e);

/* A look at a server took ms and went well, or not. Never fails: an error is logged. */
void metrics_look(struct app *app, bool ok, int64_t ms);

/*
 * A webhook was refused for its signature. Counted here and written once a second at the most, so
 * that refusing costs no statement each; the rest is written by metrics_flush. What a killed
 * process had not written is lost: a second's worth. Never fails.
 */
void metrics_refused(struct app *app);

/* Writes what metrics_refused has kept; app_close calls it. NULL pool allowed. */
void metrics_flush(struct app *app);

/* These tasks of a helper on this host went well just now; also folds the counters of connections
 * that are gone. tasks: names without commas, braces or quotes, n of them. False with *e. */
bool metrics_helper_ran(struct app *app, const char *const *tasks, size_t n,
	deadline_t d, struct err *e);

#endif
