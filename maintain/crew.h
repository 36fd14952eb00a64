/*
 * crew: the helper's threads. Each does leased items of lib/work until none is due,
 * then sleeps until it is woken. A slow gateway keeps one thread, not the helper.
 */
#ifndef WAPOOL_CREW_H
#define WAPOOL_CREW_H

#include "lib/app.h"
#include "lib/work.h"

struct crew;

/* Starts `size` threads that do the jobs of that list (ends with NULL), in its order.
 * The list is kept. NULL if no thread could be started. */
struct crew *crew_start(struct app *app, int size, work_fn *const *jobs);

/* Wakes up to n sleeping threads. */
void crew_wake(struct crew *c, int n);

/* How many threads are at work. */
int crew_busy(struct crew *c);

/* Lets every thread finish its item, joins and frees. NULL is allowed. */
void crew_stop(struct crew *c);

#endif
