/*
 * clock: absolute deadlines on the monotonic clock, and wall-clock text.
 *
 * A deadline is a point in time, passed down from the request to every call that
 * can block, so that the sum of the waits is bounded, not each wait. Pure functions
 * over the system's clocks; safe from any thread.
 */
#ifndef WAPOOL_CLOCK_H
#define WAPOOL_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int64_t deadline_t; /* milliseconds of CLOCK_MONOTONIC */

/* Milliseconds of the monotonic clock: for durations and deadlines. */
int64_t clock_ms(void);

/* Microseconds of the monotonic clock: for measuring short work. */
int64_t clock_us(void);

/* Milliseconds since 1970 (UTC): for timestamps that others read. */
int64_t clock_wall_ms(void);

/* The point in time ms milliseconds from now. */
deadline_t deadline_in(int64_t ms);

/* The earlier of the two. */
deadline_t deadline_min(deadline_t a, deadline_t b);

/* Milliseconds left, 0 if it has passed; never more than INT_MAX (for poll). */
int deadline_left(deadline_t d);

/* Sleeps ms milliseconds, but not past d. False if d has passed by then. */
bool clock_sleep(int64_t ms, deadline_t d);

/* Writes wall-clock milliseconds as RFC 3339 in UTC ("2026-01-31T12:00:00.123Z")
 * into out, which holds at least 25 bytes. */
void clock_rfc3339(int64_t wall_ms, char *out, size_t size);

/* A uniformly random number in [0, n), for jitter; 0 if n is 0. Not for secrets. */
uint32_t clock_jitter(uint32_t n);

#endif
