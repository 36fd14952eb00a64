/*
 * sender: the threads that deliver webhooks.
 *
 * Each has a libcurl multi handle, keeps connections alive, and keeps the deliveries
 * that wait for their next try. Thread-safe.
 */
#ifndef SIM_SENDER_H
#define SIM_SENDER_H

#include <stdbool.h>

struct delivery;

/* Start the threads; false if they cannot be. */
bool senders_start(void);

/* Hand a delivery over; the sender releases it. */
void sender_take(struct delivery *d);

/* Look for deliveries gone stale, now. */
void senders_sweep(void);

/* End the threads and drop what is left. Calls after this do nothing. */
void senders_stop(void);

#endif
