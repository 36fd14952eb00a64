/*
 * work-int: what work.c and work-look.c share; for no other file.
 */
#ifndef WAPOOL_WORK_INT_H
#define WAPOOL_WORK_INT_H

#include "lib/db.h"
#include "lib/work.h"

#define WORK_ITEM_MS 60000
/* longer than an item: nobody repeats what still runs */
#define WORK_LEASE "90 seconds"

/* Runs a statement by itself, whatever the item's deadline. True if it answers true; a
 * failure is logged. */
bool work_run(struct app *app, const struct db_stmt *s, const char *const *params);

/* Counts a failure of that server: after the third in a row it is down. */
void work_server_failed(struct app *app, const char *server_id, const struct err *why);

#endif
