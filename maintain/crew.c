#include "maintain/crew.h"

#include <pthread.h>
#include <stdlib.h>

struct crew {
	struct app *app;
	struct work_side side;
	work_fn *const *jobs;
	pthread_mutex_t lock;
	pthread_cond_t call;
	int calls;     /* wake-ups nobody has taken yet; guarded by lock */
	int busy;      /* guarded by lock */
	bool stopping; /* guarded by lock */
	int size;
	pthread_t threads[];
};

static bool
is_stopping(struct crew *c)
{
	bool yes;

	pthread_mutex_lock(&c->lock);
	yes = c->stopping;
	pthread_mutex_unlock(&c->lock);
	return yes;
}

/* Does what is due, one item of each job in turn, until a whole round finds nothing. */
static void
work(struct crew *c)
{
	bool any = true;

	while (any && !is_stopping(c)) {
		any = false;
		for (size_t i = 0; c->jobs[i] != NULL && !is_stopping(c); i++)
			any = c->jobs[i](c->app, &c->side) || any;
	}
}

static void *
member(void *arg)
{
	struct crew *c = arg;

	pthread_mutex_lock(&c->lock);
	while (!c->stopping) {
		if (c->calls == 0) {
			pthread_cond_wait(&c->call, &c->lock);
			continue;
		}
		c->calls--;
		c->busy++;
		pthread_mutex_unlock(&c->lock);
		work(c);
		pthread_mutex_lock(&c->lock);
		c->busy--;
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

struct crew *
crew_start(struct app *app, struct work_side side, work_fn *const *jobs)
{
	size_t size = (size_t)side.threads;
	struct crew *c = calloc(1, sizeof(*c) + size * sizeof(pthread_t));

	if (c == NULL)
		return NULL;
	c->app = app;
	c->side = side;
	c->jobs = jobs;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->call, NULL);
	while (c->size < side.threads &&
		pthread_create(&c->threads[c->size], NULL, member, c) == 0)
		c->size++;
	if (c->size > 0)
		return c;
	crew_stop(c);
	return NULL;
}

const struct work_side *
crew_side(const struct crew *c)
{
	return &c->side;
}

void
crew_wake(struct crew *c, int n)
{
	pthread_mutex_lock(&c->lock);
	c->calls = n < c->size - c->busy ? n : c->size - c->busy;
	pthread_cond_broadcast(&c->call);
	pthread_mutex_unlock(&c->lock);
}

int
crew_busy(struct crew *c)
{
	int n;

	pthread_mutex_lock(&c->lock);
	n = c->busy + c->calls;
	pthread_mutex_unlock(&c->lock);
	return n;
}

void
crew_stop(struct crew *c)
{
	if (c == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_cond_broadcast(&c->call);
	pthread_mutex_unlock(&c->lock);
	for (int i = 0; i < c->size; i++)
		pthread_join(c->threads[i], NULL);
	pthread_cond_destroy(&c->call);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
