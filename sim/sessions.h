/*
 * sessions: a gateway's sessions by name.
 *
 * Insertion order is kept for listing. Not thread-safe: the gateway locks.
 */
#ifndef SIM_SESSIONS_H
#define SIM_SESSIONS_H

#include <stddef.h>

struct session;

/* Zeroed is empty. `all` holds the sessions in order of creation. */
struct sessions {
	struct session **bucket;
	size_t buckets;
	struct session *first;
	struct session *last;
	size_t count;
};

/* The hash of a name. */
size_t sessions_hash(const char *name);

/* The session of that name, or NULL. */
struct session *sessions_find(const struct sessions *set, const char *name);

/* Add s, whose name must not be in the set; the set does not own it. */
void sessions_add(struct sessions *set, struct session *s);

/* Take s out; it must be in the set. */
void sessions_remove(struct sessions *set, struct session *s);

/* Release the table (not the sessions). */
void sessions_free(struct sessions *set);

#endif
