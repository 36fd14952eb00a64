#include "lib/share.h"

#include <stdio.h>
#include <string.h>

void
share_init(struct share *s, int most)
{
	*s = (struct share){.most = most};
	pthread_mutex_init(&s->lock, NULL);
}

void
share_free(struct share *s)
{
	pthread_mutex_destroy(&s->lock);
}

static int
turns_of(const struct share *s, const char *user)
{
	int n = 0;

	for (const struct share_turn *t = s->first; t != NULL; t = t->next)
		n += strcmp(t->user, user) == 0;
	return n;
}

bool
share_take(struct share *s, struct share_turn *t, const char *user)
{
	bool ok;

	if (s == NULL || t == NULL || t->link != NULL)
		return true;
	snprintf(t->user, sizeof(t->user), "%s", user);
	pthread_mutex_lock(&s->lock);
	ok = turns_of(s, t->user) < s->most;
	if (ok) {
		t->next = s->first;
		t->link = &s->first;
		if (t->next != NULL)
			t->next->link = &t->next;
		s->first = t;
	}
	pthread_mutex_unlock(&s->lock);
	return ok;
}

void
share_give(struct share *s, struct share_turn *t)
{
	if (s == NULL || t->link == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	*t->link = t->next;
	if (t->next != NULL)
		t->next->link = t->link;
	pthread_mutex_unlock(&s->lock);
	*t = (struct share_turn){0};
}
