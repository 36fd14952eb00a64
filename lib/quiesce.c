#include "lib/quiesce.h"

#include <stdio.h>

#include "lib/pool.h"
#include "lib/work-int.h"

/* The database's clock, by which all was written down that the walk compares with. */
static const struct db_stmt stmt_begin = {"quiesce_begin",
	"SELECT quiesce_begin(),"
	" ceil(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
	0};

#define BEFORE_ALL "00000000-0000-0000-0000-000000000000"

enum { DEVICE_ID = WORK_ITEM_NCOLUMNS + 1 }; /* after mend_rung */

static const struct db_stmt stmt_claim = {"quiesce_claim",
	"SELECT " WORK_ITEM_COLUMNS ", mend_rung, device_id"
	" FROM quiesce_claim($1, to_timestamp($2::bigint / 1000.0), '" WORK_LEASE "')",
	2};

static const struct db_stmt stmt_done = {
	"quiesce_done", "SELECT quiesce_done($1, $2, $3::boolean, $4)", 4};

static const struct db_stmt stmt_left = {"quiesce_left",
	"SELECT count(*) FILTER (WHERE held), count(*) FILTER (WHERE NOT held AND runs)"
	" FROM (SELECT coalesce(work_lease_until >= clock_timestamp(), false) AS held,"
	" status IN ('STARTING', 'SCAN_QR_CODE', 'WORKING') AS runs"
	" FROM instances WHERE lifecycle = 'assigned') i",
	0};

static const struct db_stmt stmt_end = {"quiesce_end", "SELECT quiesce_end()", 0};

bool
quiesce_begin(struct app *app, struct quiesce_walk *out, deadline_t d, struct err *e)
{
	PGresult *r = db_query(app->db, d, &stmt_begin, NULL, e);

	*out = (struct quiesce_walk){0};
	if (r != NULL)
		out->since_ms = db_int(r, 0, 1);
	PQclear(r);
	return r != NULL;
}

/* The next one to stop, from the beginning again at the end: no row if there is none, NULL on
 * an error. */
static PGresult *
claim_next(struct app *app, struct quiesce_walk *walk, deadline_t d, struct err *e)
{
	char since[DB_PARAM_SIZE];
	PGresult *r;

	db_param_int(since, walk->since_ms);
	for (;;) {
		bool whole = walk->after[0] == '\0';

		r = db_query(app->db, d, &stmt_claim,
			(const char *[]){whole ? BEFORE_ALL : walk->after, since}, e);
		if (r == NULL || PQntuples(r) > 0 || whole)
			return r;
		PQclear(r);
		walk->after[0] = '\0';
	}
}

enum quiesce_step
quiesce_one(struct app *app, struct quiesce_walk *walk, char name[256], deadline_t d,
	struct err *e)
{
	struct work_item it;
	bool stopped;
	PGresult *r = claim_next(app, walk, d, e);

	if (r == NULL || PQntuples(r) == 0) {
		PQclear(r);
		return QUIESCE_NOTHING_LEFT;
	}
	db_copy(r, 0, DEVICE_ID, walk->after, sizeof(walk->after));
	work_item_read(app, r, d, &it);
	PQclear(r);
	snprintf(name, 256, "%s", it.name);
	stopped = work_item_open(&it, e) &&
		it.gw->stop(app->http, it.server, it.name, d, e);
	work_run(app, &stmt_done,
		(const char *[]){it.id, it.token, stopped ? "true" : "false",
			stopped ? "maintenance" : e->text});
	work_item_close(&it);
	return stopped ? QUIESCE_STOPPED : QUIESCE_FAILED;
}

bool
quiesce_look(struct app *app, deadline_t d, struct quiesce_left *out, struct err *e)
{
	PGresult *r = db_query(app->db, d, &stmt_left, NULL, e);

	*out = (struct quiesce_left){0};
	if (r != NULL) {
		out->held = db_int(r, 0, 0);
		out->running = db_int(r, 0, 1);
	}
	PQclear(r);
	return r != NULL;
}

bool
quiesce_end(struct app *app, deadline_t d, int *n, struct err *e)
{
	PGresult *r = db_query(app->db, d, &stmt_end, NULL, e);

	if (r != NULL)
		*n = (int)db_int(r, 0, 0);
	PQclear(r);
	if (r != NULL)
		pool_wake(app, d);
	return r != NULL;
}
