/*
 * upkeep: what the helper does to the whole pool, in one statement each. A function
 * with an n adds the rows it touched to *n (NULL allowed) and is false with *e on an
 * error of db. Thread-safety: as db.
 */
#ifndef WAPOOL_UPKEEP_H
#define WAPOOL_UPKEEP_H

#include <stdbool.h>

#include "lib/app.h"
#include "lib/clock.h"
#include "lib/work.h"

/* ordered by one call; there may be more to order then */
#define UPKEEP_REFILL_MAX 1000

/* Orders more instances when fewer than POOL_LOW are free; with top_up also
 * up to POOL_TARGET. */
bool upkeep_refill(struct app *app, bool top_up, deadline_t d, int *n, struct err *e);

/* Releases assignments that nobody paired within UNPAIRED_TTL, 100 at the most. */
bool upkeep_unpaired(struct app *app, deadline_t d, int *n, struct err *e);

/* Deletes what MESSAGE_RETENTION, EVENT_RETENTION and IDEMPOTENCY_TTL have let go, in
 * batches until nothing is left or d has passed. */
bool upkeep_prune(struct app *app, deadline_t d, int *n, struct err *e);

/* Ends the streams of live updates whose token has ended, or whose user was disabled. Adds how many
 * users' to *n. */
bool upkeep_streams(struct app *app, deadline_t d, int *n, struct err *e);

/* Tells the database the hosting's time zone, TZ, and SERVER_LIMIT. */
bool upkeep_settings(struct app *app, deadline_t d, struct err *e);

/* Messages whose sender died become unknown; once an hour the counters of quotas are shown
 * as they are. Cheap when there is nothing to do. */
bool upkeep_messages(struct app *app, deadline_t d, int *n, struct err *e);

/* Empties the counters of hours, or of days, that are over (seed 003's jobs). What may be sent does
 * not depend on it. */
bool upkeep_reset(struct app *app, bool day, deadline_t d, int *n, struct err *e);

/* How many items of lib/work are due now for the crew of that side, of each kind counted up to
 * its threads; -1 with *e on an error of db. */
int
upkeep_due(struct app *app, const struct work_side *side, deadline_t d, struct err *e);

#endif
