/* POST /webhook and /webhook/{server_id}: events of gateways. */
#include "lib/webhook.h"
#include "lib/responder.h"

#define BODY_MAX (2u << 20) /* media come as URLs, but a message's _data can be large */

static const struct route routes[] = {
	{"POST", "/webhook", BODY_MAX, NULL},
	{"POST", "/webhook/{server_id}", BODY_MAX, NULL},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	static const struct responder self = {.name = "webhook",
		.threads = 4,
		.needs = APP_DB | APP_SEAL | APP_SERVERS,
		.routes = routes,
		.run_all = webhook_receive};

	return responder_main(&self, argc, argv);
}
