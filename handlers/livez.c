/* GET /livez: this process answers (draft-inadarei-api-health-check).
 * Asks nobody else. */
#include "lib/health-json.h"
#include "lib/responder.h"

static void
live(struct app *app, struct request *rq, struct response *rs)
{
	(void)app;
	(void)rq;
	health_json(rs, true, json_object());
}

static const struct route routes[] = {
	{"GET", "/livez", 0, live},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	static const struct responder self = {
		.name = "livez", .threads = 2, .needs = 0, .routes = routes};

	return responder_main(&self, argc, argv);
}
