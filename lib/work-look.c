/* Looking at a server: all its sessions against the table. */
#include <stdlib.h>
#include <string.h>

#include "lib/history.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/server.h"
#include "lib/work-int.h"

static const struct db_stmt stmt_claim = {"look_claim",
	"SELECT id FROM server_check_claim('" WORK_LEASE "', $1::boolean) AS id", 1};

static const struct db_stmt stmt_reconcile = {"look_reconcile",
	"SELECT known, missing, changed, recycled, restarted FROM server_reconcile("
	"$1, $2, to_timestamp($3::bigint / 1000.0), $4::int * interval '1 second',"
	" $5::bigint * interval '1 millisecond', $6::int * interval '1 second',"
	" $7::int * interval '1 second', $8::json)",
	8};

static const struct db_stmt stmt_orphans = {
	"look_orphans", "SELECT n FROM orphans_found($1, $2::json) AS n", 2};

enum { KNOWN, MISSING, CHANGED, RECYCLED, RESTARTED };

/* The sessions of one answer, and whose. */
struct listing {
	const struct server *server;
	json_t *rows; /* [{"n": name, "w": word, "s": state, "ours": bool, "p"?: phone, "f"?: profile}] */
};

static bool
add_session(const struct session *s, void *ctx)
{
	struct listing *l = ctx;
	bool ours = strcmp(s->pool_id, l->server->pool_id) == 0;
	json_t *row = json_pack("{s:s, s:s, s:i, s:b, s:s*, s:s*}", "n", s->name, "w",
		s->word, "s", (int)s->state, "ours", ours, "p",
		*s->phone != '\0' ? s->phone : NULL, "f",
		*s->profile != '\0' ? s->profile : NULL);

	/* a name that is not UTF-8 is none of ours */
	if (row != NULL)
		json_array_append_new(l->rows, row);
	return true;
}

static void
log_look(const struct server *s, const PGresult *r, int64_t asked_ms)
{
	bool restarted = db_bool(r, 0, RESTARTED);

	log_write(restarted || db_int(r, 0, RECYCLED) > 0 ? LOG_WARN : LOG_INFO,
		"look.done", LOG_STR("server", s->id),
		LOG_INT("known", db_int(r, 0, KNOWN)),
		LOG_INT("missing", db_int(r, 0, MISSING)),
		LOG_INT("changed", db_int(r, 0, CHANGED)),
		LOG_INT("recycled", db_int(r, 0, RECYCLED)),
		LOG_STR("restarted", restarted ? "yes" : "no"),
		LOG_INT("ms", clock_ms() - asked_ms));
}

/*
 * While most of a server's sessions are missing, or it has just started, the trouble is
 * the server's: nothing is mended then.
 */
static bool
is_calm(const struct app *app, const struct gateway_status *st, const PGresult *r)
{
	int64_t known = db_int(r, 0, KNOWN), missing = db_int(r, 0, MISSING);
	int64_t grace_ms = (int64_t)app->config.gateway_start_grace_s * 1000;

	return !(missing >= 4 && missing * 2 > known) &&
		(st->started_ms == 0 || st->started_ms + grace_ms < clock_wall_ms());
}

static bool
write_down(struct app *app, const struct server *s, const struct gateway_status *st,
	const json_t *list, int64_t asked_ms, bool *calm, struct err *e)
{
	const struct config *c = &app->config;
	char started[DB_PARAM_SIZE], interval[DB_PARAM_SIZE], age[DB_PARAM_SIZE],
		grace[DB_PARAM_SIZE], absent[DB_PARAM_SIZE];
	char *sessions = json_dumps(list, JSON_COMPACT);
	PGresult *r = NULL;

	db_param_int(started, st->started_ms);
	/* twice the interval: seen missing at three looks */
	db_param_int(absent, 2 * (int64_t)c->health_interval_s);
	if (sessions != NULL)
		r = db_query(app->db, deadline_in(c->db_timeout_ms), &stmt_reconcile,
			(const char *[]){s->id, st->version,
				st->started_ms > 0 ? started : NULL,
				db_param_int(interval, c->health_interval_s),
				db_param_int(age, clock_ms() - asked_ms),
				db_param_int(grace, c->gateway_start_grace_s), absent,
				sessions},
			e);
	else
		err_set(e, ERR_NOMEM, "out of memory");
	if (r != NULL) {
		log_look(s, r, asked_ms);
		*calm = is_calm(app, st, r);
	}
	PQclear(r);
	free(sessions);
	return r != NULL;
}

/*
 * Deletes sessions that carry our id and that no row knows: what an attempt left behind whose
 * answer came too late. Nobody owns them and nothing else will ever use their names.
 */
static void
delete_orphans(
	struct app *app, const struct server *s, const json_t *list, deadline_t d)
{
	json_t *names = json_array(), *row;
	struct err e = ERR_INIT;
	char *text = NULL;
	PGresult *r = NULL;
	size_t i;

	json_array_foreach(list, i, row)
		if (json_is_true(json_object_get(row, "ours")))
			json_array_append(names, json_object_get(row, "n"));
	text = json_dumps(names, JSON_COMPACT);
	if (text != NULL)
		r = db_query(app->db, deadline_in(app->config.db_timeout_ms),
			&stmt_orphans, (const char *[]){s->id, text}, &e);
	for (int n = 0; r != NULL && n < PQntuples(r); n++) {
		err_clear(&e);
		server_gateway(s)->remove(app->http, s, db_text(r, n, 0), d, &e);
		log_write(LOG_WARN, "look.orphan", LOG_STR("server", s->id),
			LOG_STR("instance", db_text(r, n, 0)),
			LOG_STR("error", err_isset(&e) ? e.text : "none"));
	}
	PQclear(r);
	free(text);
	json_decref(names);
}

/* *blame: it failed, and not because of our database (then the lease
 * ends by itself). */
static bool
look(struct app *app, const char *id, bool *blame, struct err *e)
{
	deadline_t d = deadline_in(WORK_ITEM_MS);
	struct server *s = server_load(app, id, d, e);
	struct gateway_status st = {0};
	json_t *list = json_array();
	struct listing listing = {.server = s, .rows = list};
	int64_t asked = clock_ms();
	bool pinged = s != NULL && server_gateway(s)->ping(app->http, s, &st, d, e);
	int64_t latency = clock_ms() - asked;
	bool answered = pinged &&
		server_gateway(s)->list(app->http, s, add_session, &listing, d, e);
	bool calm = false;
	bool ok = answered && write_down(app, s, &st, list, asked, &calm, e) &&
		work_judge(app, s, list, asked, calm, d, e);

	if (ok) {
		history_latency(app, id, latency);
		work_alarms(app, id);
		delete_orphans(app, s, list, d);
		work_hooks(app, s, d);
	}
	if (s != NULL)
		*blame = !answered;
	else
		*blame = e->code == ERR_CONFIG || e->code == ERR_UNAUTHORIZED;
	json_decref(list);
	server_free(s);
	return ok;
}

bool
work_look(struct app *app, const struct work_side *side)
{
	struct err e = ERR_INIT;
	bool blame, ok;
	char id[37];
	int64_t began;
	PGresult *r = db_query(app->db, deadline_in(app->config.db_timeout_ms),
		&stmt_claim, (const char *[]){work_own(side)}, &e);
	bool got = r != NULL && PQntuples(r) > 0;

	if (got)
		db_copy(r, 0, 0, id, sizeof(id));
	PQclear(r);
	if (!got)
		return false;
	began = clock_ms();
	ok = look(app, id, &blame, &e);
	metrics_look(app, ok, clock_ms() - began);
	if (ok)
		return true;
	log_write(LOG_WARN, "look.failed", LOG_STR("server", id),
		LOG_STR("kind", err_name(e.code)), LOG_STR("error", e.text));
	if (blame)
		work_server_failed(app, id, &e);
	return true;
}
