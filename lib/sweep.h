/*
 * sweep: how all instances were when the servers were last looked at (GET /health/instances, seed
 * 003), and having them looked at now.
 *
 * The helper looks; this file reads what it left in the database, and can ask it to hurry. Times are
 * RFC 3339 in UTC, "" for never. Errors: those of db and those named. Thread-safety: as db.
 */
#ifndef WAPOOL_SWEEP_H
#define WAPOOL_SWEEP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/app.h"
#include "lib/clock.h"
#include "lib/instance.h"

struct sweep {
	int64_t online; /* assigned, and the last look or webhook says a phone is connected */
	int64_t total; /* all but retired ones */
	/* the look that is longest ago, of the servers that have instances */
	char checked_at[INSTANCE_TIME_SIZE];
};

/* From the kept counts: costs the same with ten instances and with a million. */
bool sweep_summary(struct app *app, deadline_t d, struct sweep *out, struct err *e);

/* Makes all looks due, wakes the helper and waits until every server in service was looked at,
 * successfully or not, or until d: *done tells. A look that was under way already counts. */
bool sweep_refresh(struct app *app, deadline_t d, bool *done, struct err *e);

/* A page of [{nome, status, online, health, reason, since, checkedAt}], by name; *next is the cursor
 * of the page after it, "" at the end. A new reference. NULL with ERR_INPUT if the cursor is not one
 * of ours, ERR_NOMEM. limit: 1 to INSTANCE_PAGE_MAX. */
json_t *sweep_list(struct app *app, const char *cursor, int limit, deadline_t d,
	char next[INSTANCE_CURSOR_SIZE], struct err *e)
	__attribute__((warn_unused_result));

#endif
