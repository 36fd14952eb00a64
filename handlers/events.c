/* GET /api/whatsapp/events: a stream of what happens to the user's devices. Decided here
 * who may have it and until when; held by nginx (nchan): an open page costs no thread. */
#include <stdio.h>
#include <string.h>

#include "lib/account.h"
#include "lib/clock.h"
#include "lib/responder.h"

#define TYPE "text/event-stream"
#define LONG_S                                                                         \
	300 /* how long nginx holds a stream of either sort: wapool-server.conf */

/* nchan has one life for all streams of a location; so there are two locations. A token
 * that ends soon gets short streams, and after its end a 401. */
static void
hand_over(const struct user *u, struct response *rs)
{
	bool is_long = u->expires - clock_wall_ms() / 1000 >= LONG_S;
	char to[80];

	snprintf(to, sizeof(to), "/_live/%s/%s", is_long ? "long" : "short", u->id);
	response_bytes(rs, 200, TYPE, "", 0);
	response_header(rs, "X-Accel-Redirect", to);
}

static void
events(struct app *app, struct request *rq, struct response *rs)
{
	const char *accept = request_header(rq, "Accept");
	struct err e = ERR_INIT;
	bool active = false;
	struct user u;

	if (!auth_user(app, rq, &u, rs))
		return;
	if (!account_active(app, u.id, rq->deadline, &active, &e))
		response_error(rs, rq, &e);
	else if (!active)
		response_problem(rs, rq, PROBLEM_UNAUTHORIZED, NULL);
	else if (accept == NULL || strstr(accept, TYPE) == NULL)
		/* nchan takes nothing else for a wish to have a stream */
		response_problem(rs, rq, PROBLEM_NOT_ACCEPTABLE, NULL);
	else if (strcmp(rq->method, "HEAD") == 0)
		response_bytes(rs, 200, TYPE, "", 0);
	else
		hand_over(&u, rs);
}

static const struct route routes[] = {
	{"GET", "/api/whatsapp/events", 0, events},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	static const struct responder self = {.name = "events",
		.threads = 4,
		.needs = APP_DB | APP_AUTH,
		.routes = routes};

	return responder_main(&self, argc, argv);
}
