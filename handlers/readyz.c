/* GET /readyz: the database is writable, its schema is ours, and the pool
 * was filled (draft-inadarei-api-health-check). */
#include <string.h>

#include "lib/db.h"
#include "lib/health-json.h"
#include "lib/responder.h"

/* The schema this version of the programs was written for (migration `upkeep`). */
#define SCHEMA "2"

static const struct db_stmt stmt_ready = {"readyz",
	"SELECT NOT pg_is_in_recovery(), schema_version() >= " SCHEMA ","
	" EXISTS (SELECT FROM instances WHERE lifecycle <> 'provisioning')",
	0};

static json_t *
check(bool pass)
{
	char now[32];

	clock_rfc3339(clock_wall_ms(), now, sizeof(now));
	return json_pack("[{s:s, s:s}]", "status", pass ? "pass" : "fail", "time", now);
}

static void
ready(struct app *app, struct request *rq, struct response *rs)
{
	struct err e = ERR_INIT;
	PGresult *r = db_query(app->db, deadline_min(rq->deadline, deadline_in(3000)),
		&stmt_ready, NULL, &e);
	/* SQLSTATE class 42, undefined objects: it answers, but its schema
	 * is not ours */
	bool strange = strncmp(e.sqlstate, "42", 2) == 0;
	bool writable = r != NULL ? db_bool(r, 0, 0) : strange;
	bool schema = r != NULL && db_bool(r, 0, 1);
	bool stock = r != NULL && db_bool(r, 0, 2);

	/* A pool that is empty for a moment is being refilled, and users are told to
	 * come back: that is no reason to take this site out of service. One that never
	 * had anything is "not yet". */
	health_json(rs, writable && schema && stock,
		json_pack("{s:o, s:o, s:o}", "database:writable", check(writable),
			"database:schema", check(schema), "pool:stocked",
			check(stock)));
	PQclear(r);
}

static const struct route routes[] = {
	{"GET", "/readyz", 0, ready},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	static const struct responder self = {
		.name = "readyz", .threads = 2, .needs = APP_DB, .routes = routes};

	return responder_main(&self, argc, argv);
}
