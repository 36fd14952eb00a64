/*
 * timer: a heap of things due at an instant.
 *
 * A struct timer lives inside its owner; zeroed, it is idle. The heap holds
 * pointers only. Not thread-safe: the owner of the heap locks.
 */
#ifndef SIM_TIMER_H
#define SIM_TIMER_H

#include <stddef.h>
#include <stdint.h>

struct gateway;
struct timer;

/* What a gateway's timer does when due, called with the gateway's lock held. */
typedef void timer_fn(struct gateway *gw, struct timer *t);

struct timer {
	int64_t due;    /* monotonic microseconds */
	size_t slot;    /* position in the heap plus 1; 0 when idle */
	timer_fn *fire; /* used by gateways; the webhook senders leave it NULL */
};

struct timers {
	struct timer **heap;
	size_t count;
	size_t cap;
};

/* Arm t for `due`, or move it there if it is armed. */
void timer_set(struct timers *ts, struct timer *t, int64_t due);

/* Disarm t; nothing happens if it is idle. */
void timer_cancel(struct timers *ts, struct timer *t);

/* The earliest instant anything is due, or INT64_MAX. */
int64_t timers_next(const struct timers *ts);

/* Take out one timer due at or before `now`; NULL if none is. */
struct timer *timers_pop(struct timers *ts, int64_t now);

/* Release the heap (not the timers). */
void timers_free(struct timers *ts);

/* The structure a timer is embedded in. */
#define TIMER_OWNER(t, type, member)                                                   \
	((type *)(void *)((char *)(t)-offsetof(type, member)))

#endif
