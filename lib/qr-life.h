/*
 * qr-life: how long a QR that is shown can still be scanned.
 *
 * Gateways do not tell. They renew the QR of a session by themselves, each after a time
 * that is known (gateway.h, qr_first_ms and qr_next_ms), and most tell by webhook when
 * they do: so the time of the last such event, or else the time since the session began
 * to show any, tells when the present one goes. Where asking begins a run (qr_run_ms) the
 * time is kept with the QR. An estimate for countdowns: nothing is decided by it.
 * Thread-safety: as db.
 */
#ifndef WAPOOL_QR_LIFE_H
#define WAPOOL_QR_LIFE_H

#include <jansson.h>

#include "lib/app.h"
#include "lib/gateway.h"

/* Milliseconds left to the QR of a session. shown_ms: how long ago it began to show QRs.
 * told_ms: how long ago the gateway last told of one, by its own clock; negative if it
 * never did. 0: not known. */
int64_t qr_life_left(const struct gateway *gw, int64_t shown_ms, int64_t told_ms);

/* The same by what the database knows of the session. 0 also if it cannot be asked. */
int64_t
qr_life(struct app *app, const struct server *s, const char *name, deadline_t d);

/* "expiresIn" of an answer, in whole seconds, 1 at the least; nothing for 0. */
void qr_life_add(json_t *answer, int64_t left_ms);

#endif
