/*
 * webhook-int: what the files behind webhook.h share; for no other file.
 *
 *   webhook.c        whose it is, whether it may come in, the answer
 *   webhook-store.c  stored once, several in one transaction
 */
#ifndef WAPOOL_WEBHOOK_INT_H
#define WAPOOL_WEBHOOK_INT_H

#include <jansson.h>
#include <libpq-fe.h>

#include "lib/app.h"
#include "lib/buf.h"
#include "lib/db.h"
#include "lib/gateway.h"
#include "lib/request.h"

/* A server, and with which of its secrets a request was signed. */
struct sender {
	const struct server *server;
	const char *mark; /* of that secret; "" if it stands in clear */
};

#define STORE_PARAMS 16
#define OWN_STORE_PARAMS (STORE_PARAMS + 2) /* and what it takes, of how much a day */

/* An event that is verified and parsed: on its way into the database. */
struct delivery {
	const struct request *rq;
	struct sender from;
	json_t *body; /* ev points into it */
	struct gateway_event ev;
	PGresult *
		stored; /* once it is: outcome, whether the helper has an event to send */

	/* private to webhook-store.c: the statement's parameters, and what they point to */
	const char *params[OWN_STORE_PARAMS];
	struct buf key;
	char *kept, *told;
	char at[DB_PARAM_SIZE], generation[DB_PARAM_SIZE], status_at[DB_PARAM_SIZE];
	char bytes[DB_PARAM_SIZE], day_mb[DB_PARAM_SIZE];
};

/* Makes the parameters. False: out of memory. Free with delivery_free either way. */
bool delivery_prepare(struct app *app, struct delivery *d, struct err *e);

/* Frees what delivery_prepare and the storing made, and the body. */
void delivery_free(struct delivery *d);

/* A user knows the secrets of his own servers: what these bring is bounded (OWN_WEBHOOKS_MB).
 * Once it is prepared, *seconds is "" if there is room for it, else when there is. What is
 * stored is counted with the storing. False: an error of db. */
bool delivery_room(struct app *app, const struct delivery *d,
	char seconds[DB_PARAM_SIZE], struct err *e);

/* Stores one: d->stored, or false with an error of db. */
bool delivery_store(struct app *app, struct delivery *d, struct err *e);

/* Stores those of n, RESPONDER_AT_ONCE at the most, that may share a transaction, if there
 * are two or more. d->stored stays NULL for the others, and for all if one fails: store
 * these with delivery_store. */
void deliveries_store(struct app *app, struct delivery *const *d, size_t n);

#endif
