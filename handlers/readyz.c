/* GET /readyz: the database is writable, its schema is ours, and the pool
 * was filled (draft-inadarei-api-health-check). */
#include "lib/health-json.h"
#include "lib/readiness.h"
#include "lib/responder.h"

#define LOOK_MS 3000

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
	struct readiness is =
		readiness_look(app, deadline_min(rq->deadline, deadline_in(LOOK_MS)));

	health_json(rs, is.writable && is.schema && is.stocked,
		json_pack("{s:o, s:o, s:o}", "database:writable", check(is.writable),
			"database:schema", check(is.schema), "pool:stocked",
			check(is.stocked)));
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
