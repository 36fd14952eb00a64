/* POST /webhook and /webhook/{server_id}: events of gateways. */
#include "lib/webhook.h"
#include "lib/responder.h"

#define BODY_MAX (2u << 20) /* media come as URLs, but a message's _data can be large */

static void
from_anywhere(struct app *app, struct request *rq, struct response *rs)
{
	webhook_receive(app, rq, NULL, rs);
}

static void
from_server(struct app *app, struct request *rq, struct response *rs)
{
	webhook_receive(app, rq, rq->args[0], rs);
}

static const struct route routes[] = {
	{"POST", "/webhook", BODY_MAX, from_anywhere},
	{"POST", "/webhook/{server_id}", BODY_MAX, from_server},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	static const struct responder self = {.name = "webhook",
		.threads = 8,
		.needs = APP_DB | APP_SEAL | APP_SERVERS,
		.routes = routes};

	return responder_main(&self, argc, argv);
}
