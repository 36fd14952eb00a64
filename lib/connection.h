/*
 * connection: what devices have now, from the database alone. Many are asked for at once,
 * for one statement about several costs hardly more than about one.
 *
 * Errors: those of db, and connection_get's ERR_UNAUTHORIZED. Thread-safety: as db.
 */
#ifndef WAPOOL_CONNECTION_H
#define WAPOOL_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/app.h"
#include "lib/auth.h"
#include "lib/clock.h"
#include "lib/err.h"

/* What a device has; the texts are "" where there is none. */
struct connection {
	bool disabled;     /* the account is; nothing else is told */
	bool device_known; /* false: the id given is not one of the user's */
	bool assigned;
	char name[256];
	char device_id[37]; /* "" if the user has no device yet */
	char server_id[37];
	char status
		[51]; /* the gateway's last word; MISSING: not listed for 3 minutes */
	char phone[65];
	char profile[256];
};

struct connection_ask {
	const struct user *user;
	const char *device; /* a UUID, or NULL for the user's default device */
	struct connection found;
};

/* Answers n questions, 1000 at the most, in one round trip. Their ids must be UUIDs: one that
 * is none would fail them all. False: nothing found counts. */
bool connection_load(struct app *app, struct connection_ask *asks, size_t n,
	deadline_t d, struct err *e);

/* One question; a disabled account is ERR_UNAUTHORIZED. On failure *out says nothing. */
bool connection_get(struct app *app, const struct user *u, const char *device,
	deadline_t d, struct connection *out, struct err *e);

#endif
