/*
 * wait: how a request blocks without stalling others.
 *
 * A request's thread sleeps here with its gateway's lock released. It is woken by
 * the event it named, by its deadline, or because the gateway restarted, was reset
 * or is ending (the epoch it began in is over). Everything is called with the
 * gateway's lock held and returns with it held; pointers into the gateway's
 * sessions must be looked up again afterwards.
 */
#ifndef SIM_WAIT_H
#define SIM_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define WAIT_BUCKETS 64

struct gateway;

struct waiter {
	struct waiter *next;
	const char *key; /* NULL: a plain sleep */
	pthread_cond_t cond;
	bool woken;
};

struct name_lock;

/* A gateway's waiters, and the locks held on session names. Zeroed is empty. */
struct waits {
	struct waiter *waiters[WAIT_BUCKETS];
	struct name_lock *locks[WAIT_BUCKETS];
};

enum wait_end {
	WAIT_TIMEOUT,
	WAIT_WOKEN,
	WAIT_OVER, /* the gateway's epoch ended: drop the request */
};

/* A condition variable that counts in monotonic time. */
void wait_cond_init(pthread_cond_t *cond);

/* Sleep until wait_wake(gw, key), the deadline, or the end of `epoch`. */
enum wait_end
wait_until(struct gateway *gw, unsigned epoch, const char *key, int64_t deadline);

/* Wake everybody waiting for key. */
void wait_wake(struct gateway *gw, const char *key);

/* Wake everybody: the epoch changed. */
void wait_wake_all(struct gateway *gw);

/* Take the lock of a session name, first come first served. WAIT_WOKEN: held, to be
   given back by wait_unlock(); anything else: not held. */
enum wait_end
wait_lock(struct gateway *gw, unsigned epoch, const char *name, int64_t deadline);

/* Give the lock of a session name to the next in line. */
void wait_unlock(struct gateway *gw, const char *name);

#endif
