/*
 * work-int: what the files behind work.h share, and quiesce.c, repair.c, admin.c, which
 * lease sessions as they do; for no other file.
 *
 *   work.c        making and emptying sessions, phones that seem gone
 *   work-mend.c   the ladder for assigned instances in trouble
 *   work-watch.c  servers that tell of no connections, while somebody scans
 *   work-look.c   a look at a server: all its sessions against the table
 *   work-judge.c  the judgement on each of them
 *   work-hook.c   webhooks of sessions, looked at and set again
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
	char rung[16]; /* of the ladder, where the claim tells it */
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
#define WORK_ITEM_NCOLUMNS 10

/* Reads the first row of an answer with WORK_ITEM_COLUMNS into *it, to be worked on until the
 * deadline. Close it with work_item_close. */
void
work_item_read(struct app *app, const PGresult *r, deadline_t d, struct work_item *it);

/* A side as the parameter p_own of what claims. */
const char *work_own(const struct work_side *side);

/* Claims an item by that statement; false if none is due. Close it with
 * work_item_close. */
bool work_item_claim(struct app *app, const struct db_stmt *s,
	const char *const *params, struct work_item *it);

/* Loads its server and chooses the driver. */
bool work_item_open(struct work_item *it, struct err *e);
void work_item_close(struct work_item *it);

/* Writes down what its gateway said when asked at asked_ms (clock_ms). */
void work_item_observe(struct work_item *it, const struct session *s, int64_t asked_ms);

/* Exponential from that base, with jitter over its upper half, so that a server that returns is
 * not flooded. A minute at the most. */
int64_t work_backoff_ms(int attempts, int base_ms);

/* After the failure e: true if it is the session's own. A gateway that does not answer at all, or
 * refuses us, is to blame itself: that is counted against it, and no session pays for it. 429, too
 * many calls, ours or others', is nobody's fault. */
bool work_item_blame(struct work_item *it, const struct err *e);

/* Runs a statement by itself, whatever the item's deadline. True if it answers true; a
 * failure is logged. */
bool work_run(struct app *app, const struct db_stmt *s, const char *const *params);

/* Restarts the session and waits until it works, or waits for a scan: *s is then what it says. */
bool work_restart(struct work_item *it, struct session *s, struct err *e);

/* Logs it out, if the item is still ours at this moment: that is asked and written down in one
 * statement right before. ERR_CONFLICT if not: then nothing was done, and *ours is false. */
bool work_logout(struct work_item *it, bool *ours, struct err *e);

/* Empties the session (logout, delete, gone) if the item is being recycled, makes it anew, and
 * reports what became of it. True if it stands by now. */
bool work_remake(struct work_item *it, struct err *e);

/* Raises and clears alarms, of that server and of the network, and logs each change. */
void work_alarms(struct app *app, const char *server_id);

/* Counts a failure of that server: after the third in a row it is down. */
void work_server_failed(struct app *app, const char *server_id, const struct err *why);

/* Judges the server's instances by what its list said when asked at asked_ms, and writes down
 * what changed. A few that say they show a QR are asked for it, until d. calm: remedies may be
 * begun. False on an error of db. */
bool work_judge(struct app *app, const struct server *s, const json_t *list,
	int64_t asked_ms, bool calm, deadline_t d, struct err *e);

/* Looks at the webhooks of some of the server's sessions, those that are due, and sets again what
 * the gateway has lost or what has changed: new ones, and each once an hour. Ends within
 * seconds, at the latest at d. */
void work_hooks(struct app *app, const struct server *s, deadline_t d);

#endif
