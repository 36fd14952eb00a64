/*
 * share: how many of a process's threads one user has at a time, whatever the number of his tokens.
 * For responders whose requests wait for others' servers: a few that hang must not keep everybody else out.
 * nginx counts by token, since it can verify none.
 *
 * Thread-safety: share_init before threads, share_free after; take and give from any thread.
 */
#ifndef WAPOOL_SHARE_H
#define WAPOOL_SHARE_H

#include <pthread.h>
#include <stdbool.h>

/* A request in progress. All zero: it has no turn. */
struct share_turn {
	struct share_turn *next, **link;
	char user[37];
};

struct share {
	pthread_mutex_t lock;
	struct share_turn *first;
	int most;
};

/* Lets each user have `most` turns. */
void share_init(struct share *s, int most);
void share_free(struct share *s);

/* Takes a turn for that user, which must stay where it is until it is given back. False if he
 * has all of his. True without counting for a NULL s, and for a turn that is taken already. */
bool share_take(struct share *s, struct share_turn *t, const char *user)
	__attribute__((warn_unused_result));

/* Gives it back; nothing for one that was not taken, or a NULL s. */
void share_give(struct share *s, struct share_turn *t);

#endif
