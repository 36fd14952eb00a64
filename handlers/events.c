/* GET /api/whatsapp/events: a stream of what happens to the user's devices. Decided here
 * who may have it and until when; held by nginx (nchan): an open page costs no thread. */
#include <stdio.h>
#include <string.h>

#include "lib/auth.h"
#include "lib/clock.h"
#include "lib/db.h"
#include "lib/responder.h"

#define TYPE "text/event-stream"
#define LONG_S 300 /* that nginx holds a long stream: wapool-server.conf */
#define GRACE_S 30 /* that lib/auth takes a token after its end */

static const struct db_stmt stmt_begins = {
	"stream_begins", "SELECT stream_begins($1, to_timestamp($2::bigint))", 2};

/* Has the helper end it when the token does. */
static bool
note_end(struct app *app, const struct request *rq, const struct user *u, struct err *e)
{
	char until[DB_PARAM_SIZE];
	PGresult *r = db_query(app->db, rq->deadline, &stmt_begins,
		(const char *[]){u->id, db_param_int(until, u->expires + GRACE_S)}, e);

	PQclear(r);
	return r != NULL;
}

/* nchan has one life for all streams of a location, begun anew by each event; so there are two
 * locations. A token that ends soon gets short streams, and after its end a 401: also where no
 * helper runs, if nothing happens. */
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
	struct user u;

	if (!auth_user(app, rq, &u, rs))
		return;
	if (accept == NULL || strstr(accept, TYPE) == NULL)
		/* nchan takes nothing else for a wish to have a stream */
		response_problem(rs, rq, PROBLEM_NOT_ACCEPTABLE, NULL);
	else if (strcmp(rq->method, "HEAD") == 0)
		response_bytes(rs, 200, TYPE, "", 0);
	else if (note_end(app, rq, &u, &e))
		hand_over(&u, rs);
	else
		response_error(rs, rq, &e);
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
