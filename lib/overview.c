#include "lib/overview.h"

#include "lib/db.h"

#define SERVERS_SHOWN "500" /* more are only counted; users may have one each */

static const struct db_stmt stmt_overview = {
	"overview", "SELECT pool_overview(" SERVERS_SHOWN ")", 0};

json_t *
overview(struct app *app, deadline_t d, struct err *e)
{
	PGresult *r = db_query(app->db, d, &stmt_overview, NULL, e);
	json_t *o, *all;

	if (r == NULL)
		return NULL;
	o = json_loads(db_text(r, 0, 0), 0, NULL);
	PQclear(r);
	all = json_pack("{s:i, s:i, s:i}", "target", app->config.pool_target, "low",
		app->config.pool_low, "max", app->config.pool_max);
	if (json_object_update(all, o) != 0) { /* also if one of them is NULL */
		err_set(e, ERR_NOMEM, "out of memory");
		json_decref(all);
		all = NULL;
	}
	json_decref(o);
	return all;
}
