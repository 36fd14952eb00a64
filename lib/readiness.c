#include "lib/readiness.h"

#include "lib/db.h"
#include "lib/log.h"

#ifndef WAPOOL_CHANGES
#define WAPOOL_CHANGES "unknown" /* the makefile reads them from the plan */
#endif

static const struct db_stmt stmt_writable = {
	"readiness_writable", "SELECT NOT pg_is_in_recovery()", 0};

static const struct db_stmt stmt_missing = {"readiness_missing",
	"SELECT string_agg(change, ' ' ORDER BY i)"
	" FROM unnest(string_to_array('" WAPOOL_CHANGES "', ' '))"
	" WITH ORDINALITY AS plan (change, i)"
	" WHERE change NOT IN (SELECT change FROM sqitch.changes"
	" WHERE project = 'wapool')",
	0};

static const struct db_stmt stmt_stocked = {"readiness_stocked",
	"SELECT EXISTS (SELECT FROM instances WHERE lifecycle <> 'provisioning')", 0};

static bool
says_yes(struct app *app, deadline_t d, const struct db_stmt *s)
{
	PGresult *r = db_query(app->db, d, s, NULL, NULL);
	bool yes = r != NULL && db_bool(r, 0, 0);

	PQclear(r);
	return yes;
}

static bool
has_schema(struct app *app, deadline_t d)
{
	struct err e = ERR_INIT;
	PGresult *r = db_query(app->db, d, &stmt_missing, NULL, &e);
	const char *missing = r != NULL ? db_text(r, 0, 0) : NULL;
	bool all = r != NULL && missing == NULL;

	if (!all)
		log_write(LOG_WARN, "schema.incomplete", LOG_STR("missing", missing),
			LOG_STR("error", e.text));
	PQclear(r);
	return all;
}

struct readiness
readiness_look(struct app *app, deadline_t d)
{
	return (struct readiness){.writable = says_yes(app, d, &stmt_writable),
		.schema = has_schema(app, d),
		.stocked = says_yes(app, d, &stmt_stocked)};
}
