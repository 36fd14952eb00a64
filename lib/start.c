#include "lib/start.h"

#include "lib/db.h"
#include "lib/server.h"

static const struct db_stmt stmt_turn = {"start_turn",
	"SELECT start_turn($1, $2, $3::bigint * interval '1 millisecond')", 3};

static const struct db_stmt stmt_end = {"start_end", "SELECT start_end($1, $2, $3)", 3};

typedef bool command_fn(struct http *, const struct server *, const char *name,
	deadline_t, struct err *);

static bool
in_turn(struct app *app, const struct server *s, const char *name, command_fn *command,
	deadline_t d, struct err *e)
{
	char lease[DB_PARAM_SIZE]; /* to the end of the call, should we die */
	bool ok = true;
	PGresult *r;

	if (!server_gateway(s)->start_once)
		return command(app->http, s, name, d, e);
	r = db_query(app->db, d, &stmt_turn,
		(const char *[]){
			s->id, name, db_param_int(lease, deadline_left(d) + 1000)},
		e);
	if (r == NULL)
		return false;
	if (db_text(r, 0, 0) != NULL) {
		ok = command(app->http, s, name, d, e);
		PQclear(db_query(app->db, deadline_in(app->config.db_timeout_ms),
			&stmt_end, (const char *[]){db_text(r, 0, 0), s->id, name},
			NULL));
	}
	PQclear(r);
	return ok;
}

bool
start_session(struct app *app, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	return in_turn(app, s, name, server_gateway(s)->start, d, e);
}

bool
start_again(struct app *app, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	return in_turn(app, s, name, server_gateway(s)->restart, d, e);
}
