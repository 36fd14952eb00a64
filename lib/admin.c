#include "lib/admin.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "lib/claim-int.h"
#include "lib/db.h"
#include "lib/log.h"
#include "lib/server.h"
#include "lib/start.h"

#define SERVERS_TRIED 3 /* within one request */

static const struct db_stmt stmt_server = {"admin_server",
	"SELECT id FROM waha_servers WHERE ativo"
	" AND (id::text = lower($1) OR nome = $1)"
	" ORDER BY id LIMIT 2",
	1};

static const struct db_stmt stmt_create = {"admin_create",
	"SELECT c.outcome, c.instance_id, c.name, c.server_id, c.device_id, c.epoch,"
	" c.generation, c.status, c.paired FROM admin_create($1, $2::uuid, $3, $4) c",
	4};

static const struct db_stmt stmt_ask = {"admin_ask",
	"SELECT c.outcome, c.instance_id, c.name, c.server_id, c.device_id, c.epoch,"
	" c.generation, c.status, c.paired FROM admin_ask($1) c",
	1};

static const struct db_stmt stmt_move = {
	"admin_move", "SELECT admin_move($1, $2::bigint, $3::uuid[], $4)", 4};

static const struct db_stmt stmt_discard = {
	"admin_discard", "SELECT admin_discard($1, $2::bigint, $3)", 3};

static const struct db_stmt stmt_release = {
	"admin_release", "SELECT instance_release($1, $2::bigint, $3, $4)", 4};

static const struct db_stmt stmt_command = {
	"admin_command", "SELECT instance_commanded($1, $2::bigint, $3, $4)", 4};

static const struct db_stmt stmt_observe = {"admin_observe",
	"SELECT instance_observe($1, $2::bigint, $3::bigint * interval '1 millisecond',"
	" $4, $5, $6)",
	6};

bool
admin_name_valid(const char *name)
{
	const char *p = name;
	size_t n;

	if (name == NULL || *name == '\0')
		return false;
	n = strspn(name,
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789_-");
	if (name[n] != '\0' || n > ADMIN_NAME_MAX)
		return false;
	if (strncmp(p, "pool-", 5) != 0)
		return true;
	for (p += 5; isdigit((unsigned char)*p); p++)
		;
	if (*p++ != '-')
		return true;
	return p[strspn(p, "0123456789")] != '\0' || *p == '\0';
}

/* *outcome: a word of admin_create; the result is freed. */
static bool
read_claim(PGresult *r, struct claim *out, char outcome[16])
{
	if (r == NULL)
		return false;
	claim_of_row(r, out);
	out->outcome = CLAIM_OWN;
	db_copy(r, 0, 0, outcome, 16);
	PQclear(r);
	return true;
}

/* The id of the server that is wished for. */
static bool
find_server(struct app *app, const char *which, deadline_t d, char id[37],
	enum problem *problem, struct err *e)
{
	PGresult *r = db_query(app->db, d, &stmt_server, (const char *[]){which}, e);
	int rows = r != NULL ? PQntuples(r) : 0;

	if (rows > 0)
		db_copy(r, 0, 0, id, 37);
	PQclear(r);
	if (r == NULL || rows == 1)
		return r != NULL;
	*problem = PROBLEM_INVALID;
	return err_set(e, ERR_INPUT,
		rows == 0 ? "there is no such server, or it is switched off"
			  : "several servers have that name: use the id");
}

/* The row. */
static bool
create_row(struct app *app, const struct admin_wish *wish, deadline_t d,
	struct claim *out, enum problem *problem, struct err *e)
{
	char server[37] = "", outcome[16];

	if (wish->server != NULL &&
		!find_server(app, wish->server, d, server, problem, e))
		return false;
	if (!read_claim(db_query(app->db, d, &stmt_create,
				(const char *[]){wish->name, db_param_text(server),
					wish->number, wish->actor},
				e),
		    out, outcome))
		return false;
	out->outcome = CLAIM_NEW;
	if (strcmp(outcome, "claimed") == 0)
		return true;
	if (strcmp(outcome, "taken") == 0) {
		*problem = PROBLEM_NAME_TAKEN;
		return err_set(e, ERR_CONFLICT, "the name is taken");
	}
	*problem = PROBLEM_NO_ROOM;
	return err_set(e, ERR_UNAVAILABLE, "no server has room");
}

/*
 * The session. A name that is taken at the gateway is somebody else's, and stays, unless it is one of
 * ours that nobody knows any more: what an attempt left behind whose answer got lost.
 */
static bool
create_session(struct app *app, const struct server *server, const struct claim *c,
	deadline_t d, struct err *e)
{
	const struct session_spec spec = {.name = c->name, .generation = c->generation};
	const struct gateway *gw = server_gateway(server);
	struct session s;

	if (gw->create(app->http, server, &spec, d, e))
		return true;
	if (e->code != ERR_CONFLICT ||
		!gw->state(app->http, server, c->name, &s, d, NULL) ||
		strcmp(s.pool_id, server->pool_id) != 0)
		return false;
	err_clear(e);
	return gw->remove(app->http, server, c->name, d, e) &&
		gw->create(app->http, server, &spec, d, e);
}

static bool
try_server(struct app *app, const struct claim *c, deadline_t d, struct err *e)
{
	struct server *server = server_load(app, c->server_id, d, e);
	bool ok = server != NULL && create_session(app, server, c, d, e);

	server_free(server);
	return ok;
}

/* To the next server. `tried` is the literal of an array, of which the last brace is missing. */
static bool
move(struct app *app, struct claim *c, struct buf *tried, const char *reason,
	deadline_t d)
{
	char epoch[DB_PARAM_SIZE];
	struct buf literal;
	PGresult *r = NULL;
	bool moved;

	buf_init(&literal, 256);
	buf_printf(tried, "%s%s", tried->len > 0 ? "," : "{", c->server_id);
	if (buf_printf(&literal, "%s}", buf_str(tried)))
		r = db_query(app->db, d, &stmt_move,
			(const char *[]){c->instance_id, db_param_int(epoch, c->epoch),
				buf_str(&literal), reason},
			NULL);
	moved = r != NULL && db_text(r, 0, 0) != NULL;
	if (moved)
		db_copy(r, 0, 0, c->server_id, sizeof(c->server_id));
	PQclear(r);
	buf_free(&literal);
	return moved;
}

static enum problem
problem_of(const struct err *e)
{
	if (e->sqlstate[0] != '\0')
		return PROBLEM_UNAVAILABLE;
	switch (e->code) {
	case ERR_CONFLICT:
		return PROBLEM_NAME_TAKEN;
	case ERR_TIMEOUT:
		return PROBLEM_GATEWAY_SLOW;
	default:
		return PROBLEM_GATEWAY;
	}
}

bool
admin_make(struct app *app, const struct admin_wish *wish, deadline_t d,
	struct claim *out, enum problem *problem, struct err *e)
{
	char epoch[DB_PARAM_SIZE];
	struct buf tried;
	bool ok;

	*problem = PROBLEM_UNAVAILABLE;
	*out = (struct claim){0};
	if (!create_row(app, wish, d, out, problem, e))
		return false;
	buf_init(&tried, 256);
	for (int i = 1; !(ok = try_server(app, out, d, e)); i++) {
		log_write(LOG_WARN, "admin.make", LOG_STR("instance", out->name),
			LOG_STR("server", out->server_id),
			LOG_STR("kind", err_name(e->code)), LOG_STR("error", e->text));
		if (wish->server != NULL || e->code == ERR_CONFLICT ||
			i == SERVERS_TRIED || !move(app, out, &tried, e->text, d))
			break;
		err_clear(e);
	}
	buf_free(&tried);
	if (!ok) {
		*problem = problem_of(e);
		/* what it may have left at a gateway is an orphan, and goes */
		PQclear(db_query(app->db, deadline_in(app->config.db_timeout_ms),
			&stmt_discard,
			(const char *[]){out->instance_id,
				db_param_int(epoch, out->epoch), e->text},
			NULL));
	}
	return ok;
}

bool
admin_ask(struct app *app, const struct instance *i, deadline_t d, struct claim *out,
	struct err *e)
{
	char outcome[16];

	if (!read_claim(db_query(app->db, d, &stmt_ask, (const char *[]){i->id}, e),
		    out, outcome))
		return false;
	return strcmp(outcome, "own") == 0 ||
		err_set(e, ERR_CONFLICT, "not an administrator's, or being deleted");
}

bool
admin_show(struct app *app, deadline_t d, struct connect_result *out,
	enum problem *problem, struct err *e)
{
	deadline_t soon = deadline_in(app->config.db_timeout_ms);
	bool current = false, ok;
	struct db_conn *c;

	if (!connect_instance(app, &(struct connect_wish){0}, d, out, problem, e))
		return false;
	*problem = PROBLEM_UNAVAILABLE;
	c = db_get(app->db, soon, e);
	ok = c != NULL && connect_finish(c, out, soon, &current, e) &&
		(current || err_set(e, ERR_CONFLICT, "it was deleted meanwhile"));
	db_put(app->db, c);
	return ok;
}

/* What the gateway says now, written down. Failure does not matter: the next look finds it. */
static void
look_again(
	struct app *app, const struct server *server, struct instance *i, deadline_t d)
{
	char generation[DB_PARAM_SIZE], age[DB_PARAM_SIZE];
	int64_t asked = clock_ms();
	struct session s;

	if (!server_gateway(server)->state(app->http, server, i->name, &s, d, NULL))
		return;
	snprintf(i->status, sizeof(i->status), "%s", s.word);
	PQclear(db_query(app->db, d, &stmt_observe,
		(const char *[]){i->id, db_param_int(generation, i->generation),
			db_param_int(age, clock_ms() - asked), s.word,
			db_param_text(s.phone), db_param_text(s.profile)},
		NULL));
}

bool
admin_command(struct app *app, struct instance *i, enum admin_command what,
	const char *actor, deadline_t d, struct err *e)
{
	bool restart = what == ADMIN_RESTART, ok = false;
	char epoch[DB_PARAM_SIZE];
	const struct gateway *gw;
	struct server *server;
	PGresult *noted;

	if (strcmp(i->lifecycle, "assigned") != 0)
		return err_set(e, ERR_CONFLICT, "it is %s", i->lifecycle);
	server = server_load(app, i->server_id, d, e);
	if (server == NULL)
		return false;
	gw = server_gateway(server);
	/* written down first: what a gateway may have done shall not be without its cause */
	noted = db_query(app->db, d, &stmt_command,
		(const char *[]){i->id, db_param_int(epoch, i->epoch),
			restart ? "restart" : "logout", actor},
		e);
	if (noted != NULL)
		ok = restart ? start_again(app, server, i->name, d, e)
			     : gw->logout(app->http, server, i->name, d, e);
	if (ok)
		look_again(app, server, i, d);
	PQclear(noted);
	server_free(server);
	return ok;
}

bool
admin_release(struct app *app, const struct instance *i, const char *reason,
	const char *actor, deadline_t d, bool *released, struct err *e)
{
	char epoch[DB_PARAM_SIZE];
	PGresult *r = db_query(app->db, d, &stmt_release,
		(const char *[]){i->id, db_param_int(epoch, i->epoch), reason, actor},
		e);

	*released = r != NULL && db_bool(r, 0, 0);
	PQclear(r);
	if (*released)
		pool_wake(app, d);
	return r != NULL;
}
