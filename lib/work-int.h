/*
 * work-int: what the files behind work.h share; for no other file.
 *
 *   work.c        making and emptying sessions, phones that seem gone
 *   work-mend.c   the ladder for assigned instances in trouble
 *   work-look.c   a look at a server: all its sessions against the table
 *   work-judge.c  the judgement on each of them
 *   work-item.c   claiming a leased item and telling what became of it
 */
#ifndef WAPOOL_WORK_INT_H
#define WAPOOL_WORK_INT_H

#include "lib/db.h"
#include "lib/gateway.h"
#include "lib/work.h"

#define WORK_ITEM_MS 60000
/* longer than an item: nobody repeats what still runs */
#define WORK_LEASE "90 seconds"

/* A leased item and what is needed to work on it. */
struct work_item {
	struct app *app;
	char id[37], name[256], next_name[256], server_id[37], token[37];
	bool recycling;
	bool retiring; /* recycling, and not to be made anew */
	int attempts;
	int64_t generation, epoch;
	struct server *server;
	const struct gateway *gw;
	deadline_t deadline;
};

/* What a statement that claims an item returns, in this order. */
#define WORK_ITEM_COLUMNS                                                              \
	"id, name, server_id, lifecycle, work_token, work_attempts, generation, "      \
	"epoch, "                                                                      \
	"next_name, lifecycle = 'recycling' AND next_name IS NULL"

/* Claims an item by that statement; false if none is due. Close it with
 * work_item_close. */
bool work_item_claim(struct app *app, const struct db_stmt *s,
	const char *const *params, struct work_item *it);

/* Loads its server and chooses the driver. */
bool work_item_open(struct work_item *it, struct err *e);
void work_item_close(struct work_item *it);

/* Writes down what its gateway said when asked at asked_ms (clock_ms). */
void work_item_observe(struct work_item *it, const struct session *s, int64_t asked_ms);

/* Ends its assignment, if that is still the one the item was claimed in. */
void work_item_release(struct work_item *it, const char *reason);

/* Exponential, with jitter over its upper half, so that a server that returns is not
 * flooded. */
int64_t work_backoff_ms(int attempts);

/* Runs a statement by itself, whatever the item's deadline. True if it answers true; a
 * failure is logged. */
bool work_run(struct app *app, const struct db_stmt *s, const char *const *params);

/* Counts a failure of that server: after the third in a row it is down. */
void work_server_failed(struct app *app, const char *server_id, const struct err *why);

/* Judges the server's instances by what its list said when asked at asked_ms, and writes down
 * what changed. calm: remedies may be begun. False on an error of db. */
bool work_judge(struct app *app, const struct server *s, const json_t *list,
	int64_t asked_ms, bool calm, struct err *e);

#endif
