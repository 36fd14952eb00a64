/*
 * spent: what the request of this thread has spent its time on, for its log line.
 *
 * Each thread has an account of its own, emptied when a request begins. Who waits or
 * works for a request adds to it, without knowing which request that is. Times of one
 * kind do not overlap, and none of them holds another kind. Thread-safety: all.
 */
#ifndef WAPOOL_SPENT_H
#define WAPOOL_SPENT_H

#include <stdint.h>

enum spent {
	SPENT_DB,   /* statements, and waiting for a connection of the pool */
	SPENT_HTTP, /* calls to gateways and other people's servers */
	SPENT_WAIT, /* for a session to come up, before a look at it */
	SPENT_AUTH, /* verifying a token */
	SPENT_QR,   /* drawing a QR */
	SPENT_KINDS
};

void spent_reset(void);

/* Adds the time from began_us (clock_us) until now. */
void spent_since(enum spent what, int64_t began_us);

/* Microseconds since spent_reset. */
int64_t spent_us(enum spent what);

#endif
