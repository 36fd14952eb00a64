/*
 * repair: the operations of seed 002 on one instance, as wapoolctl does them: look at it, try to
 * recover it, clean it up, make sure that it is healthy.
 *
 * `which` is an instance's id or its present name; ERR_NOT_FOUND if there is none,
 * ERR_CONFLICT if several servers have one of that name. All of them take the same lease as
 * the helper (ERR_CONFLICT while somebody else is at work on it), write every step into
 * instance_events, hold no transaction across a call to a gateway, and end by the deadline.
 * Other errors: those of db and of gateway. Thread-safety: as db and http.
 */
#ifndef WAPOOL_REPAIR_H
#define WAPOOL_REPAIR_H

#include <stdbool.h>

#include "lib/app.h"
#include "lib/health.h"
#include "lib/instance.h"

/* What seed 002's checkInstanceHealth returns. */
struct health_report {
	bool healthy; /* healthy or disconnected: nothing is wrong with it */
	enum health state;
	char reason[120]; /* English, for people */
	bool should_cleanup;
};

/* What seed 002's ensureHealthyInstance returns. */
struct ensure_result {
	bool healthy;
	bool cleaned;
	bool recovered;
};

/* Asks the gateway now and writes the judgement down. */
bool check_instance_health(struct app *app, const char *which, deadline_t d,
	struct health_report *out, struct err *e);

/* Climbs the ladder: HEALTH_ATTEMPTS restarts with their pauses, then, as seed 002 has it, a
 * logout and a restart; never that while its server is frozen (docs/health.md). *recovered
 * is false if it is still ill; nothing is lost yet then but the pairing. One that stands by is
 * only looked at. A gateway that does not answer is never blamed on the session. */
bool try_recover_instance(struct app *app, const char *which, deadline_t d,
	bool *recovered, struct err *e);

/* Deletes the session, waits until it is gone, makes it anew with its webhook and resets the
 * record: it stands by, under another name if it is the pool's. An owner loses it and is given
 * another at his next connect. On an error of the gateway the helper goes on with it.
 * seen: as it was read when this was decided. ERR_CONFLICT if another has it, or its session was
 * made anew, since; and for what an administrator made: he deletes it and makes another. */
bool cleanup_corrupted_instance(
	struct app *app, const struct instance *seen, deadline_t d, struct err *e);

/* The three above as seed 002 has them: check, recover if that is worth trying, clean up what
 * should be; the latter not while its server is frozen, nor if it has changed hands since the
 * beginning (ERR_CONFLICT). Each takes a minute at the most: an earlier d may end it before the last. */
bool ensure_healthy_instance(struct app *app, const char *which, deadline_t d,
	struct ensure_result *out, struct err *e);

#endif
