/*
 * work: what the helper does to instances, one leased item at a time, each
 * by one gateway.
 *
 * Every function here claims an item that is due with a lease, does it without a
 * transaction open, and says what became of it, fenced by the lease's token. A helper
 * that dies in between leaves an item whose lease ends; repeating any step is safe.
 * Thread-safety: as db and http; meant to be called by many threads and hosts at once.
 */
#ifndef WAPOOL_WORK_H
#define WAPOOL_WORK_H

#include <stdbool.h>

#include "lib/app.h"

/* Which items a crew of threads takes: those at users' own servers, or those at the platform's. Two
 * crews, so that users whose servers answer slowly, and well, keep only each other waiting. */
struct work_side {
	bool own;
	int threads; /* of the crew */
};

/* Takes one item of that side if any is due, and does it. True if there was one, whatever
 * became of it: failures are logged and tried again later. */
typedef bool work_fn(struct app *app, const struct work_side *side);

/* Makes a session that was ordered, or empties a released one (logout, delete, create);
 * then the instance stands by. */
work_fn work_make;

/* Looks after an assignment whose phone seems gone: asks the gateway, restarts a failed
 * session, and releases it when the gateway wants a new pairing. */
work_fn work_lost;

/* Climbs one rung of the ladder with an assignment that the last look judged to need a restart. */
work_fn work_mend;

/* Looks at one server: is it there, has it restarted, and what do its sessions say? */
work_fn work_look;

/* Asks a server that tells of no connections by itself how those are who wait there for
 * their scan. */
work_fn work_watch;

#endif
