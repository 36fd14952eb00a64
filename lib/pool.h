/*
 * pool: who has which instance. Each function is one statement (functions of migration
 * `pool`, which keep the invariants); none talks to a gateway. `device` is a UUID, or
 * NULL for the user's default device.
 *
 * Errors: those of db, of which ERR_UNAUTHORIZED means that the account was disabled;
 * "nothing free" and "not yours" are outcomes.
 * Thread-safety: as db.
 */
#ifndef WAPOOL_POOL_H
#define WAPOOL_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/app.h"
#include "lib/auth.h"
#include "lib/gateway.h"

enum claim_outcome {
	CLAIM_OWN,         /* the device had an instance */
	CLAIM_NEW,         /* it was given a free one */
	CLAIM_EMPTY,       /* none is free */
	CLAIM_MAINTENANCE, /* wapoolctl quiesce: nobody gets one */
	CLAIM_OFTEN,       /* he was given CLAIM_LIMIT within an hour */
	CLAIM_NO_DEVICE    /* the device is not the user's, or the assignment is over */
};

/* Servers that one click gives up; the next one it finds without an answer ends it. */
#define POOL_LEFT_MAX 8

/* An assignment; the texts are "" where the outcome has none. */
struct claim {
	enum claim_outcome outcome;
	char instance_id[37];
	char name[256];
	char server_id[37];
	char device_id[37];
	int64_t epoch; /* fences everything done for this owner */
	int64_t generation;
	char status[51]; /* the last known word of the gateway */
	bool paired;     /* a phone was connected in this assignment */
	char left[POOL_LEFT_MAX * 37 + 2]; /* the servers given up by pool_swap, as an
	                                      array of PostgreSQL's; "" for none */
};

/* The device's instance, or a free one. Makes the user's row and his default device if
 * they are not there yet. Wakes the helper when few are left. *server: the instance's; free it
 * with server_free. NULL where there is none, or it cannot be read: server_load tells why.
 * Needs app->seal. */
bool pool_claim(struct app *app, const struct user *u, const char *device, deadline_t d,
	struct claim *out, struct server **server, struct err *e);

/* Gives up a broken, never paired instance for a fresh one; *claim is replaced. With
 * leave_server one of a server that this claim has not left yet: if none has a free one,
 * *claim stays as it is. CLAIM_NO_DEVICE if the assignment is over. */
bool pool_swap(struct app *app, struct claim *claim, const char *reason,
	bool leave_server, deadline_t d, struct err *e);

/* Gives the device's instance back. *known (set on success) is false if the device is
 * not the user's; a device that has none is no error. Wakes the helper. */
bool pool_release(struct app *app, const struct user *u, const char *device,
	deadline_t d, bool *known, struct err *e);

/* Tells the helpers that there is something to do. Never fails. */
void pool_wake(struct app *app, deadline_t d);

#endif
