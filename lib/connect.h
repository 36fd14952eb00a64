/*
 * connect: from a click to a QR code (or a pairing code), over the pool and a gateway.
 *
 * Claims or finds the device's instance, starts its session, waits until the
 * gateway has something to show, and swaps a broken, never paired instance for a
 * fresh one. It ends by its deadline; whoever gives up keeps his instance and finds
 * it at the next click. No transaction is open while a gateway is asked.
 * Thread-safety: as db and http.
 */
#ifndef WAPOOL_CONNECT_H
#define WAPOOL_CONNECT_H

#include <stdbool.h>

#include "lib/app.h"
#include "lib/db.h"
#include "lib/message.h"
#include "lib/pool.h"

struct connect_wish {
	const char *device; /* UUID, or NULL: the user's default device */
	const char *number; /* digits: a pairing code for that phone; NULL: a QR */
};

struct connect_result {
	struct claim claim;
	bool connected;         /* a phone is connected already: nothing to show */
	bool recovered;         /* its session had failed, and was restarted */
	bool cleaned;           /* it was made anew, or gave way to a fresh one */
	struct session session; /* as the gateway says */
	struct buf show;        /* the raw QR value, or the pairing code */
	int64_t asked_ms;       /* clock_ms() when the gateway was asked for that */
	int64_t life_ms;        /* what the QR has left; 0: not known (lib/qr-life) */
};

/* True: *out is filled; free it with connect_result_free in any case. False: *problem
 * is what to answer and *e why (for the log). */
bool connect_run(struct app *app, const struct user *u, const struct connect_wish *wish,
	deadline_t d, struct connect_result *out, enum problem *problem, struct err *e);

/* The same for the one instance that the caller has in out->claim: no other one is tried, and one that
 * its gateway does not know is made there. out->show is initialised here. */
bool connect_instance(struct app *app, const struct connect_wish *wish, deadline_t d,
	struct connect_result *out, enum problem *problem, struct err *e);

void connect_result_free(struct connect_result *r);

/* Writes down what was shown, inside the caller's transaction on c, or as one of its own. *current is false
 * if the assignment ended meanwhile (the owner disconnected in another window): nothing
 * may be shown then. */
bool connect_finish(struct db_conn *c, const struct connect_result *r, deadline_t d,
	bool *current, struct err *e);

#endif
