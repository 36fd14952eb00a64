/*
 * deliver: events on their way to subscribers.
 *
 * A lane (a device's events to one webhook) is claimed with a lease, and its events go
 * one after the other; what became of each is written down under the lane's token, which
 * renews the lease. Who dies in between leaves a lane whose lease ends: the next one
 * sends the same event with the same webhook-id again. docs/events.md tells subscribers
 * the rules; retry schedule and limits are the Standard Webhooks' and svix-webhooks'.
 * Thread-safety: as db and http; meant to be called by many threads and hosts at once.
 */
#ifndef WAPOOL_DELIVER_H
#define WAPOOL_DELIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/app.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/work.h"

#define DELIVER_ATTEMPTS 10 /* then it is parked */

/* One signed POST to a webhook. */
struct delivery {
	const char *subscription; /* its id: the place its secrets are sealed for */
	const char *url;
	const char *secret; /* sealed */
	const char *former; /* sealed, or NULL: signs too */
	const char *id;     /* webhook-id */
	const char *body;
};

struct delivery_answer {
	int status;            /* HTTP's, 0 if none came */
	int64_t retry_after_s; /* 0: none asked for */
	int64_t duration_ms;
	struct err err; /* why it failed, fit to be shown to its owner; ERR_CONFIG:
			   our own secret cannot be opened, nothing was sent */
};

/* Makes the attempt. True if it was answered with 2xx; else a->err says why not. The
 * answer's body is not kept. */
bool deliver_once(struct app *app, const struct delivery *v, deadline_t d,
	struct delivery_answer *a);

/* What follows from a failed attempt. */
struct verdict {
	bool park;        /* it was the last one */
	bool gone;        /* 410: the webhook is to be disabled */
	int64_t wait_ms;  /* until the next attempt */
	int64_t quiet_ms; /* nothing else to that webhook before; 0: others may go */
};

/* The verdict on attempt number n (from 1). */
struct verdict deliver_verdict(const struct delivery_answer *a, int n);

/* Takes one lane if any is due, and delivers from it until it is empty, an attempt
 * fails, or others have waited long enough. A work_fn (lib/work.h). */
bool deliver_lane(struct app *app, const struct work_side *side);

/* How many lanes are due now, counted up to `most`; -1 with *e on an error of db. */
int deliver_due(struct app *app, int most, deadline_t d, struct err *e);

#endif
