#include "sessions.h"

#include "mem.h"
#include "session.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

size_t
sessions_hash(const char *name)
{
	uint64_t h = 14695981039346656037u;

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 1099511628211u;
	return (size_t)(h ^ (h >> 32));
}

struct session *
sessions_find(const struct sessions *set, const char *name)
{
	struct session *s;

	if (set->buckets == 0)
		return NULL;
	s = set->bucket[sessions_hash(name) % set->buckets];
	while (s != NULL && strcmp(s->name, name) != 0)
		s = s->chain;
	return s;
}

static void
grow(struct sessions *set)
{
	size_t i, slot, buckets = set->buckets == 0 ? 64 : set->buckets * 2;
	struct session *s;

	set->bucket = mem_grow(set->bucket, buckets * sizeof *set->bucket);
	set->buckets = buckets;
	for (i = 0; i < buckets; i++)
		set->bucket[i] = NULL;
	for (s = set->first; s != NULL; s = s->next) {
		slot = sessions_hash(s->name) % buckets;
		s->chain = set->bucket[slot];
		set->bucket[slot] = s;
	}
}

void
sessions_add(struct sessions *set, struct session *s)
{
	size_t slot;

	if (set->count >= set->buckets)
		grow(set);
	slot = sessions_hash(s->name) % set->buckets;
	s->chain = set->bucket[slot];
	set->bucket[slot] = s;
	s->next = NULL;
	s->prev = set->last;
	if (set->last != NULL)
		set->last->next = s;
	else
		set->first = s;
	set->last = s;
	set->count++;
}

void
sessions_remove(struct sessions *set, struct session *s)
{
	struct session **at = &set->bucket[sessions_hash(s->name) % set->buckets];

	while (*at != s)
		at = &(*at)->chain;
	*at = s->chain;
	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		set->first = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	else
		set->last = s->prev;
	set->count--;
}

void
sessions_free(struct sessions *set)
{
	free(set->bucket);
	memset(set, 0, sizeof *set);
}
