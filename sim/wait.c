#include "wait.h"

#include "clock.h"
#include "gateway.h"
#include "mem.h"
#include "sessions.h"

#include <stdlib.h>
#include <string.h>

/* One per name that is locked or waited for; gone when nobody needs it. */
struct name_lock {
	struct name_lock *next;
	struct waiter *queue; /* oldest first */
	char name[];
};

static size_t
bucket_of(const char *key)
{
	return key == NULL ? 0 : sessions_hash(key) % WAIT_BUCKETS;
}

void
wait_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

/* Take w out of the list it is in. */
static void
unlink_waiter(struct waiter **at, const struct waiter *w)
{
	for (; *at != NULL; at = &(*at)->next) {
		if (*at == w) {
			*at = w->next;
			return;
		}
	}
}

/* Sleep until w is woken, its time is over or the epoch is. */
static enum wait_end
sleep_on(struct gateway *gw, unsigned epoch, struct waiter *w, int64_t deadline)
{
	struct timespec ts = clock_timespec(deadline);

	while (!w->woken && !gateway_over(gw, epoch)) {
		if (pthread_cond_timedwait(&w->cond, &gw->lock, &ts) != 0)
			break;
	}
	if (gateway_over(gw, epoch))
		return WAIT_OVER;
	return w->woken ? WAIT_WOKEN : WAIT_TIMEOUT;
}

enum wait_end
wait_until(struct gateway *gw, unsigned epoch, const char *key, int64_t deadline)
{
	struct waiter **bucket = &gw->waits.waiters[bucket_of(key)];
	struct waiter w = {.next = *bucket, .key = key};
	enum wait_end end;

	wait_cond_init(&w.cond);
	*bucket = &w;
	end = sleep_on(gw, epoch, &w, deadline);
	unlink_waiter(bucket, &w);
	pthread_cond_destroy(&w.cond);
	return end;
}

void
wait_wake(struct gateway *gw, const char *key)
{
	struct waiter *w;

	for (w = gw->waits.waiters[bucket_of(key)]; w != NULL; w = w->next) {
		if (w->key != NULL && strcmp(w->key, key) == 0) {
			w->woken = true;
			pthread_cond_signal(&w->cond);
		}
	}
}

void
wait_wake_all(struct gateway *gw)
{
	struct name_lock *l;
	struct waiter *w;
	size_t i;

	for (i = 0; i < WAIT_BUCKETS; i++) {
		for (w = gw->waits.waiters[i]; w != NULL; w = w->next)
			pthread_cond_signal(&w->cond);
		for (l = gw->waits.locks[i]; l != NULL; l = l->next)
			for (w = l->queue; w != NULL; w = w->next)
				pthread_cond_signal(&w->cond);
	}
}

/* Where the lock of `name` is linked, or where it would be. */
static struct name_lock **
lock_slot(struct gateway *gw, const char *name)
{
	struct name_lock **at = &gw->waits.locks[bucket_of(name)];

	while (*at != NULL && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

enum wait_end
wait_lock(struct gateway *gw, unsigned epoch, const char *name, int64_t deadline)
{
	struct name_lock **slot = lock_slot(gw, name), *l = *slot;
	struct waiter w = {0}, **tail;
	enum wait_end end;

	if (l == NULL) {
		l = mem_zero(sizeof *l + strlen(name) + 1);
		memcpy(l->name, name, strlen(name) + 1);
		*slot = l;
		return WAIT_WOKEN;
	}
	wait_cond_init(&w.cond);
	for (tail = &l->queue; *tail != NULL; tail = &(*tail)->next)
		;
	*tail = &w;
	end = sleep_on(gw, epoch, &w, deadline);
	if (w.woken && end != WAIT_WOKEN)
		wait_unlock(gw, name);
	else if (!w.woken)
		unlink_waiter(&l->queue, &w);
	pthread_cond_destroy(&w.cond);
	return end;
}

void
wait_unlock(struct gateway *gw, const char *name)
{
	struct name_lock **slot = lock_slot(gw, name), *l = *slot;
	struct waiter *first;

	if (l == NULL)
		return;
	first = l->queue;
	if (first == NULL) {
		*slot = l->next;
		free(l);
		return;
	}
	l->queue = first->next;
	first->woken = true;
	pthread_cond_signal(&first->cond);
}
