/*
 * parked: events of all users that did not arrive, as operators see them: whose, where to, why not, and
 * never what they say. Sending them again. One user's own: lib/subscription.
 *
 * Nothing here is bound to a user: whoever calls has checked that an operator asks. Errors: those of db.
 * Thread-safety: as db.
 */
#ifndef WAPOOL_PARKED_H
#define WAPOOL_PARKED_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/app.h"
#include "lib/clock.h"

#define PARKED_PAGE_MAX 200
#define PARKED_CURSOR_SIZE 32

/* Members that are NULL or "" do not filter. The ids are UUIDs. */
struct parked_filter {
	const char *user, *device, *webhook;
	const char *type;
};

/* A page of what is in that state ("parked", "pending"), the newest first: an array, a new reference, and
 * in *next the cursor of the page after it, "" at the end. cursor: digits, or NULL. NULL with *e. */
json_t *parked_list(struct app *app, const char *state, const struct parked_filter *f,
	const char *cursor, int limit, deadline_t d, char next[PARKED_CURSOR_SIZE],
	struct err *e) __attribute__((warn_unused_result));

enum parked_outcome {
	PARKED_REPLAYED,
	PARKED_DISABLED, /* its webhook is: it would be parked again at once */
	PARKED_EXPIRED,  /* its body is past MESSAGE_RETENTION */
	PARKED_NONE      /* no such event, or not parked */
};

/* Sends the event of that webhook-id ("evt_" and 32 hexadecimal digits) again. */
bool parked_replay(struct app *app, const char *event_id, deadline_t d,
	enum parked_outcome *out, struct err *e);

#define PARKED_BATCH 1000
struct parked_result {
	int replayed;
	int remaining; /* of the same kind, counted up to PARKED_BATCH */
	int disabled;  /* wait for their webhook to be enabled; counted likewise */
};

/* Sends all that the filter leaves again, PARKED_BATCH at the most. */
bool parked_replay_all(struct app *app, const struct parked_filter *f, deadline_t d,
	struct parked_result *out, struct err *e);

#endif
