/*
 * qr-run: the QR of a session, of whatever kind its gateway is.
 *
 * Most gateways show a QR that may be asked for at any time. Where asking begins a new
 * pairing run and voids the QR before (gateway.h, qr_run_ms), two windows, a page that
 * polls, or a second click would take the QR away from who is about to scan it: there,
 * what was given is kept, sealed, for as long as it is good, and one caller at a time asks
 * the gateway. No connection to the database is held meanwhile. Thread-safety: as db.
 */
#ifndef WAPOOL_QR_RUN_H
#define WAPOOL_QR_RUN_H

#include "lib/app.h"
#include "lib/gateway.h"

/* The raw value, appended to *value. anew: the gateway says that no run is under way, so
 * what is kept is void. Needs app->seal. Errors: those of gateway->qr, of db and of seal;
 * ERR_TIMEOUT if somebody else asks and the deadline passes. */
bool qr_run(struct app *app, const struct server *s, const char *name, bool anew,
	struct buf *value, deadline_t d, struct err *e);

/* True if a session in that state can be asked for a QR or a code: it shows one, or, where
 * asking begins a run, it is stopped and nobody is paired with it. */
bool qr_run_possible(const struct gateway *gw, const struct session *s);

#endif
