/*
 * crew: the helper's threads. Each does leased items of lib/work until none is due,
 * then sleeps until it is woken. A slow gateway keeps one thread, not the helper.
 * Thread-safety: all functions belong to the thread that called crew_start.
 */
#ifndef WAPOOL_CREW_H
#define WAPOOL_CREW_H

#include "lib/app.h"
#include "lib/work.h"

struct crew;

/* Starts the threads of that side, which do the jobs of that list (ends with NULL), in its
 * order. The list is kept, not copied. NULL if memory ran out or no thread could be started;
 * fewer threads than asked for are no failure. Free with crew_stop. */
struct crew *crew_start(struct app *app, struct work_side side, work_fn *const *jobs);

/* What it was started for. */
const struct work_side *crew_side(const struct crew *c);

/* Wakes up to n sleeping threads. */
void crew_wake(struct crew *c, int n);

/* How many threads are at work or called to it. */
int crew_busy(struct crew *c);

/* Lets every thread finish its item (a minute and more with a slow gateway), joins and
 * frees. NULL is allowed. */
void crew_stop(struct crew *c);

#endif
