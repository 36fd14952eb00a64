#include "timer.h"

#include "mem.h"

#include <stdlib.h>
#include <string.h>

static void
place(struct timers *ts, size_t i, struct timer *t)
{
	ts->heap[i] = t;
	t->slot = i + 1;
}

static void
sift_up(struct timers *ts, size_t i)
{
	struct timer *t = ts->heap[i];

	while (i > 0 && ts->heap[(i - 1) / 2]->due > t->due) {
		place(ts, i, ts->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(ts, i, t);
}

static void
sift_down(struct timers *ts, size_t i)
{
	struct timer *t = ts->heap[i];
	size_t child;

	while ((child = 2 * i + 1) < ts->count) {
		if (child + 1 < ts->count &&
			ts->heap[child + 1]->due < ts->heap[child]->due)
			child++;
		if (ts->heap[child]->due >= t->due)
			break;
		place(ts, i, ts->heap[child]);
		i = child;
	}
	place(ts, i, t);
}

void
timer_set(struct timers *ts, struct timer *t, int64_t due)
{
	timer_cancel(ts, t);
	if (ts->count == ts->cap) {
		ts->cap = ts->cap == 0 ? 64 : ts->cap * 2;
		ts->heap = mem_grow(ts->heap, ts->cap * sizeof *ts->heap);
	}
	t->due = due;
	place(ts, ts->count++, t);
	sift_up(ts, ts->count - 1);
}

void
timer_cancel(struct timers *ts, struct timer *t)
{
	struct timer *last;
	size_t i;

	if (t->slot == 0)
		return;
	i = t->slot - 1;
	t->slot = 0;
	last = ts->heap[--ts->count];
	if (last == t)
		return;
	place(ts, i, last);
	sift_down(ts, i);
	sift_up(ts, last->slot - 1);
}

int64_t
timers_next(const struct timers *ts)
{
	return ts->count == 0 ? INT64_MAX : ts->heap[0]->due;
}

struct timer *
timers_pop(struct timers *ts, int64_t now)
{
	struct timer *t;

	if (timers_next(ts) > now)
		return NULL;
	t = ts->heap[0];
	timer_cancel(ts, t);
	return t;
}

void
timers_free(struct timers *ts)
{
	free(ts->heap);
	memset(ts, 0, sizeof *ts);
}
