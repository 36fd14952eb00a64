#include "gateway.h"

#include "clock.h"
#include "kind.h"
#include "mem.h"
#include "message.h"
#include "session.h"
#include "webhook.h"

#include <stdlib.h>
#include <string.h>

#define REVIVAL_FIRST_MS 1500 /* from up again to the first session */
#define REVIVAL_STEP_MS 100   /* between two sessions */
#define REVIVAL_ALL_MS 30000  /* more sessions come faster, to stay within this */

static const struct kind *default_kind = &kind_waha;
static struct gateway *gateways[GATEWAY_MAX];
static size_t gateway_count;
static pthread_mutex_t gateways_lock = PTHREAD_MUTEX_INITIALIZER;

/* The gateway's thread: fires its timers. */
static void *
run_timers(void *arg)
{
	struct gateway *gw = arg;
	struct timer *t;
	struct timespec ts;
	int64_t next;

	pthread_mutex_lock(&gw->lock);
	while (!gw->ending) {
		while ((t = timers_pop(&gw->timers, clock_us())) != NULL)
			t->fire(gw, t);
		next = timers_next(&gw->timers);
		ts = clock_timespec(next);
		if (next == INT64_MAX)
			pthread_cond_wait(&gw->armed, &gw->lock);
		else
			pthread_cond_timedwait(&gw->armed, &gw->lock, &ts);
	}
	pthread_mutex_unlock(&gw->lock);
	return NULL;
}

static struct gateway *
make(const char *name)
{
	struct gateway *gw = mem_zero(sizeof *gw);

	memcpy(gw->name, name, strlen(name));
	gw->kind = default_kind;
	pthread_mutex_init(&gw->lock, NULL);
	wait_cond_init(&gw->armed);
	gw->start_ms = clock_wall_ms();
	if (pthread_create(&gw->thread, NULL, run_timers, gw) != 0) {
		free(gw);
		return NULL;
	}
	gateways[gateway_count++] = gw;
	return gw;
}

void
gateway_default_kind(const struct kind *kind)
{
	default_kind = kind;
}

struct gateway *
gateway_get(const char *name)
{
	struct gateway *gw = NULL;
	size_t i, n = strlen(name);

	if (n == 0 || n > GATEWAY_NAME_MAX ||
		strspn(name,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			"0123456789_-.") != n)
		return NULL;
	pthread_mutex_lock(&gateways_lock);
	for (i = 0; i < gateway_count && gw == NULL; i++)
		if (strcmp(gateways[i]->name, name) == 0)
			gw = gateways[i];
	if (gw == NULL && gateway_count < GATEWAY_MAX)
		gw = make(name);
	pthread_mutex_unlock(&gateways_lock);
	return gw;
}

struct gateway *
gateway_at(size_t i)
{
	struct gateway *gw;

	pthread_mutex_lock(&gateways_lock);
	gw = i < gateway_count ? gateways[i] : NULL;
	pthread_mutex_unlock(&gateways_lock);
	return gw;
}

bool
gateway_over(const struct gateway *gw, unsigned epoch)
{
	return gw->ending || gw->epoch != epoch;
}

void
gateway_arm(struct gateway *gw, struct timer *t, int64_t simulated_ms)
{
	timer_set(&gw->timers, t, clock_in(simulated_ms));
	if (t->slot == 1)
		pthread_cond_signal(&gw->armed);
}

/* Every request in progress and every webhook not yet delivered is dropped. */
static void
new_epoch(struct gateway *gw)
{
	gw->epoch++;
	message_forget(gw);
	webhook_forget(gw);
	wait_wake_all(gw);
}

/* One session that ran comes back; the next one later. */
static void
revive_next(struct gateway *gw, struct timer *t)
{
	struct session *s = gw->sessions.first;

	while (s != NULL && !s->resume)
		s = s->next;
	if (s == NULL)
		return;
	session_start(gw, s);
	gateway_arm(gw, t, gw->revival_step);
}

static void
come_up(struct gateway *gw, struct timer *t)
{
	int64_t now = clock_wall_ms();

	gw->down = false;
	gw->start_ms = now > gw->start_ms ? now : gw->start_ms + 1;
	t->fire = revive_next;
	gateway_arm(gw, t, REVIVAL_FIRST_MS);
}

size_t
gateway_restart(struct gateway *gw, int64_t down_ms)
{
	struct session *s;
	size_t running = 0;

	for (s = gw->sessions.first; s != NULL; s = s->next) {
		session_vanish(gw, s);
		running += s->resume;
	}
	gw->revival_step = REVIVAL_STEP_MS;
	if (running * REVIVAL_STEP_MS > REVIVAL_ALL_MS)
		gw->revival_step = REVIVAL_ALL_MS / (int64_t)running;
	gw->down = true;
	gw->revival.fire = come_up;
	gateway_arm(gw, &gw->revival, down_ms);
	new_epoch(gw);
	return running;
}

void
gateway_reset(struct gateway *gw)
{
	timer_cancel(&gw->timers, &gw->revival);
	gw->down = false;
	while (gw->sessions.first != NULL)
		session_delete(gw, gw->sessions.first);
	faults_clear(&gw->faults);
	stats_clear(&gw->stats);
	new_epoch(gw);
}

void
gateways_end(void)
{
	struct gateway *gw;
	size_t i;

	for (i = 0; (gw = gateway_at(i)) != NULL; i++) {
		pthread_mutex_lock(&gw->lock);
		gw->ending = true;
		wait_wake_all(gw);
		pthread_cond_signal(&gw->armed);
		pthread_mutex_unlock(&gw->lock);
		pthread_join(gw->thread, NULL);
	}
}

void
gateways_free(void)
{
	struct gateway *gw;

	while (gateway_count > 0) {
		gw = gateways[--gateway_count];
		gateway_reset(gw);
		timers_free(&gw->timers);
		sessions_free(&gw->sessions);
		pthread_cond_destroy(&gw->armed);
		pthread_mutex_destroy(&gw->lock);
		free(gw);
	}
}
