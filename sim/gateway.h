/*
 * gateway: one simulated server, of one kind.
 *
 * A process holds several, each named by the path prefix /s/<name>; without a prefix
 * the name is "default". Everything of a gateway is behind its lock, and its own
 * thread fires its timers. Gateways are made when first addressed and live until the
 * process ends.
 */
#ifndef SIM_GATEWAY_H
#define SIM_GATEWAY_H

#include "fault.h"
#include "sessions.h"
#include "stats.h"
#include "timer.h"
#include "wait.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define GATEWAY_NAME_MAX 40
#define GATEWAY_MAX 256

/* What became of the webhooks; pending is queued minus the three ends. */
struct webhook_counts {
	atomic_ullong queued;
	atomic_ullong sent;
	atomic_ullong failed;  /* gave up after the last try */
	atomic_ullong dropped; /* forgotten by a restart or reset */
	atomic_ullong retried; /* failed tries that will be repeated */
	atomic_ullong lost;    /* by the fault webhook_lost, never queued */
	atomic_ullong doubled; /* by the fault webhook_double */
};

struct kind;

struct gateway {
	const struct kind *kind; /* changes only while there are no sessions */
	char name[GATEWAY_NAME_MAX + 1];
	pthread_mutex_t lock;
	pthread_cond_t armed; /* an earlier timer was set */
	pthread_t thread;
	struct timers timers;
	struct sessions sessions;
	struct waits waits;
	struct faults faults;
	struct stats stats;
	unsigned epoch; /* requests and webhooks of another epoch are dropped */
	bool ending;
	bool down;             /* restarting: connections are reset */
	struct timer revival;  /* the next step of a restart */
	int64_t revival_step;  /* simulated ms between two sessions */
	int64_t start_ms;      /* startTimestamp */
	int64_t last_event_ms; /* no new session's event is earlier */
	atomic_uint webhook_epoch;
	struct webhook_counts webhooks;
};

/* The kind of gateways made from now on; call once, before any is. */
void gateway_default_kind(const struct kind *kind);

/* The gateway of that name, made if need be; NULL if the name is bad or there are too
   many. Thread-safe. */
struct gateway *gateway_get(const char *name);

/* The i-th gateway, or NULL past the last. Thread-safe. */
struct gateway *gateway_at(size_t i);

/* End all requests and timers of all gateways; then gateways_free(). */
void gateways_end(void);

/* Release everything, once no thread uses a gateway any more. */
void gateways_free(void);

/* Whether the epoch is over: the gateway restarted, was reset, or ends. Locked. */
bool gateway_over(const struct gateway *gw, unsigned epoch);

/* Arm a timer of the gateway. Locked. */
void gateway_arm(struct gateway *gw, struct timer *t, int64_t simulated_ms);

/* Simulate a restart of its process: connections are reset for down_ms, then the
   sessions that ran come back one by one. Returns how many will. Locked. */
size_t gateway_restart(struct gateway *gw, int64_t down_ms);

/* Forget all sessions, faults and counters. Locked. */
void gateway_reset(struct gateway *gw);

#endif
