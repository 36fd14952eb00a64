/*
 * subscription: the webhook of a device, or the default of a user, as its owner sees and
 * changes it.
 *
 * `device` is a UUID, or NULL for the user's default. An administrator may do all of it
 * for anybody's device. "Not yours" and "none registered" are outcomes, not errors;
 * errors are those of db and seal. Thread-safety: as db.
 */
#ifndef WAPOOL_SUBSCRIPTION_H
#define WAPOOL_SUBSCRIPTION_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/app.h"
#include "lib/auth.h"
#include "lib/clock.h"
#include "lib/deliver.h"
#include "lib/signature.h"

/* Whose webhook it is, and what is there. */
struct subscription {
	bool known; /* false: the device is not one of the user's */
	char user_id[37];
	char device_id[37]; /* "" for the default */
	char id[37];        /* "" if none is registered; then the rest is empty */
	char *url, *secret, *former; /* secrets sealed; former may be NULL */
	bool disabled;
	json_t *shown; /* what its owner may see */
};

/* Looks it up into *out, which is to be freed with subscription_free in any case. */
bool subscription_find(struct app *app, const struct user *u, const char *device,
	deadline_t d, struct subscription *out, struct err *e);
void subscription_free(struct subscription *s);

/* Registers url for s, with the types in events (NULL: all), or changes what is there
 * and sets it going again. A new one gets a secret, which is written to secret and never
 * shown again; "" there if it kept its own. Makes the user's row if need be. */
bool subscription_put(struct app *app, const struct user *u, struct subscription *s,
	const char *url, const json_t *events, deadline_t d,
	char secret[SIGNATURE_SECRET_SIZE], struct err *e);

/* Removes it, with what was not delivered yet. None there is no error. */
bool subscription_delete(
	struct app *app, const struct subscription *s, deadline_t d, struct err *e);

/* A new secret; the one before signs too for SUBSCRIPTION_OVERLAP_H hours, until the
 * time that is written to until (RFC 3339). */
#define SUBSCRIPTION_OVERLAP_H "24"
bool subscription_rotate(struct app *app, const struct subscription *s, deadline_t d,
	char secret[SIGNATURE_SECRET_SIZE], char until[32], struct err *e);

/* Sends it a "webhook.test", here and now, whether it is disabled or not; nothing is
 * written down. True if that was answered with 2xx; else a->err. */
bool subscription_test(struct app *app, const struct subscription *s, deadline_t d,
	struct delivery_answer *a);

/* A page of its deliveries, the newest first. Texts that are NULL or "" do not filter. */
struct delivery_query {
	const char *state;  /* "pending", "delivered", "parked" or "skipped" */
	const char *cursor; /* where the page before ended: digits */
	int limit;          /* 1 to DELIVERY_PAGE_MAX */
};
#define DELIVERY_PAGE_MAX 200

/* An array of them, a new reference, and in *next (32 bytes) the next page's cursor, ""
 * if this was the last. NULL on failure. */
json_t *subscription_deliveries(struct app *app, const struct subscription *s,
	const struct delivery_query *q, deadline_t d, char next[32], struct err *e)
	__attribute__((warn_unused_result));

/* Sends what is parked again: the event of that webhook-id, or with NULL all, 1000 at a
 * time. *n: how many. An id that is none of ours, or not parked, gives 0. */
bool subscription_replay(struct app *app, const struct subscription *s,
	const char *event_id, deadline_t d, int *n, struct err *e);

#endif
