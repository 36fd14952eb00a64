/*
 * quiesce: every assigned session stopped, one after the other, before gateways go for maintenance,
 * and brought back afterwards. In between nothing is claimed or mended.
 *
 * A session is stopped under a lease, so several may do it at once, and one who dies is taken
 * over. Its pairing stays. Thread-safety: as db and http.
 */
#ifndef WAPOOL_QUIESCE_H
#define WAPOOL_QUIESCE_H

#include <stdbool.h>

#include "lib/app.h"
#include "lib/clock.h"
#include "lib/err.h"

enum quiesce_step { QUIESCE_STOPPED, QUIESCE_FAILED, QUIESCE_NOTHING_LEFT };

/* Where a walk over all sessions is. */
struct quiesce_walk {
	int64_t since_ms; /* of the database's clock */
	char after
		[37]; /* the device whose session it stopped last; "" at the beginning */
};

/* Begins a walk: no claims and no repairs from now on. False on an error of db. */
bool
quiesce_begin(struct app *app, struct quiesce_walk *out, deadline_t d, struct err *e);

/* Stops the next session that runs and was not tried in this walk. name gets its name; *e says why
 * it could not be stopped. QUIESCE_NOTHING_LEFT with *e set: our database failed; without: a
 * whole walk found nothing more to stop. */
enum quiesce_step quiesce_one(struct app *app, struct quiesce_walk *walk,
	char name[256], deadline_t d, struct err *e);

/* What a walk leaves. */
struct quiesce_left {
	int64_t held; /* in somebody's hands: a helper that mends one may start it yet */
	int64_t running; /* of the others; those that could not be stopped are among them */
};

/* False on an error of db. */
bool
quiesce_look(struct app *app, deadline_t d, struct quiesce_left *out, struct err *e);

/* Ends: the helpers start what was connected, *n sessions, a bounded number at a time. False on an
 * error of db. */
bool quiesce_end(struct app *app, deadline_t d, int *n, struct err *e);

#endif
