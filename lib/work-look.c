/* Looking at a server: all its sessions against the table. */
#include <stdlib.h>
#include <string.h>

#include "lib/health.h"
#include "lib/log.h"
#include "lib/server.h"
#include "lib/work-int.h"

static const struct db_stmt stmt_claim = {"look_claim",
	"SELECT server_check_claim FROM server_check_claim('" WORK_LEASE "')", 0};

static const struct db_stmt stmt_reconcile = {"look_reconcile",
	"SELECT known, missing, changed, recycled, restarted FROM server_reconcile("
	"$1, $2, to_timestamp($3::bigint / 1000.0), $4::int * interval '1 second',"
	" $5::bigint * interval '1 millisecond', $6::int * interval '1 second',"
	" $7::int * interval '1 second', $8::json)",
	8};

static const struct db_stmt stmt_facts = {"look_facts",
	"SELECT id, name, generation, assigned, paired, state_ms, bad_samples, health, "
	"reason,"
	" status FROM health_facts($1, $2::bigint * interval '1 millisecond')",
	2};

static const struct db_stmt stmt_judged = {
	"look_judged", "SELECT health_write($1::json, $2::boolean)", 2};

enum { KNOWN, MISSING, CHANGED, RECYCLED, RESTARTED };

enum {
	ID,
	NAME,
	GENERATION,
	ASSIGNED,
	PAIRED,
	STATE_MS,
	BAD_SAMPLES,
	HEALTH,
	REASON,
	STATUS
};

static bool
add_session(const struct session *s, void *list)
{
	json_t *row = json_pack("{s:s, s:s, s:i, s:s*, s:s*}", "n", s->name, "w",
		s->word, "s", (int)s->state, "p", *s->phone != '\0' ? s->phone : NULL,
		"f", *s->profile != '\0' ? s->profile : NULL);

	/* a name that is not UTF-8 is none of ours */
	if (row != NULL)
		json_array_append_new(list, row);
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

/* Reads one row of health_facts and what the list says of it. False if the database has
 * newer news than the list: then the next look judges. */
static bool
read_facts(const PGresult *r, int row, const json_t *listed, struct health_facts *f)
{
	const char *word = json_string_value(json_object_get(listed, "w"));

	*f = (struct health_facts){
		.answer = listed != NULL ? ANSWER_SESSION : ANSWER_ABSENT,
		.word = word,
		.has_phone = json_object_get(listed, "p") != NULL,
		.assigned = db_bool(r, row, ASSIGNED),
		.paired = db_bool(r, row, PAIRED),
		.state_ms = db_int(r, row, STATE_MS),
		.bad_samples = (int)db_int(r, row, BAD_SAMPLES) + 1,
		.before = health_of(db_text(r, row, HEALTH))};
	if (listed == NULL)
		return true;
	f->state = (enum session_state)json_integer_value(json_object_get(listed, "s"));
	return !f->assigned || strcmp(word, db_text(r, row, STATUS)) == 0;
}

static const char *
remedy_name(enum remedy remedy)
{
	static const char *const names[] = {[REMEDY_NONE] = "none",
		[REMEDY_RESTART] = "restart",
		[REMEDY_CLEANUP] = "cleanup",
		[REMEDY_RELEASE] = "release"};

	return names[remedy];
}

/* Judges one instance; adds the judgement to `rows` if it is another than before. */
static void
judge_row(const PGresult *r, int row, const json_t *by_name, json_t *rows)
{
	const json_t *listed = json_object_get(by_name, db_text(r, row, NAME));
	struct health_verdict v;
	struct health_facts f;
	int bad;

	if (!read_facts(r, row, listed, &f))
		return;
	v = health_judge(&f);
	bad = health_is_well(v.state) ? 0 : f.bad_samples;
	if (v.state == f.before && v.remedy == REMEDY_NONE &&
		bad == f.bad_samples - 1 &&
		strcmp(v.reason, db_text(r, row, REASON)) == 0)
		return;
	json_array_append_new(rows,
		json_pack("{s:s, s:I, s:s, s:s, s:i, s:s}", "i", db_text(r, row, ID),
			"g", (json_int_t)db_int(r, row, GENERATION), "h",
			health_name(v.state), "r", v.reason, "b", bad, "m",
			remedy_name(v.remedy)));
}

/* The judgement on each of the server's instances, written down where it changed. */
static bool
judge(struct app *app, const struct server *s, const json_t *list, int64_t asked_ms,
	bool calm, struct err *e)
{
	deadline_t d = deadline_in(app->config.db_timeout_ms);
	json_t *by_name = json_object(), *rows = json_array(), *one;
	char age[DB_PARAM_SIZE], *text = NULL;
	PGresult *facts, *written = NULL;
	size_t i;

	json_array_foreach(list, i, one) json_object_set(
		by_name, json_string_value(json_object_get(one, "n")), one);
	facts = db_query(app->db, d, &stmt_facts,
		(const char *[]){s->id, db_param_int(age, clock_ms() - asked_ms)}, e);
	for (int row = 0; facts != NULL && row < PQntuples(facts); row++)
		judge_row(facts, row, by_name, rows);
	if (facts != NULL && json_array_size(rows) > 0) {
		text = json_dumps(rows, JSON_COMPACT);
		if (text != NULL)
			written = db_query(app->db, d, &stmt_judged,
				(const char *[]){text, calm ? "true" : "false"}, e);
	}
	if (written != NULL)
		log_write(LOG_INFO, "look.judged", LOG_STR("server", s->id),
			LOG_INT("judgements", json_array_size(rows)),
			LOG_INT("changed", db_int(written, 0, 0)),
			LOG_STR("calm", calm ? "yes" : "no"));
	PQclear(facts);
	PQclear(written);
	free(text);
	json_decref(rows);
	json_decref(by_name);
	return !err_isset(e);
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
	int64_t asked = clock_ms();
	bool answered = s != NULL && server_gateway(s)->ping(app->http, s, &st, d, e) &&
		server_gateway(s)->list(app->http, s, add_session, list, d, e);
	bool calm = false;
	bool ok = answered && write_down(app, s, &st, list, asked, &calm, e) &&
		judge(app, s, list, asked, calm, e);

	if (s != NULL)
		*blame = !answered;
	else
		*blame = e->code == ERR_CONFIG || e->code == ERR_UNAUTHORIZED;
	json_decref(list);
	server_free(s);
	return ok;
}

bool
work_look(struct app *app)
{
	struct err e = ERR_INIT;
	bool blame;
	char id[37];
	PGresult *r = db_query(
		app->db, deadline_in(app->config.db_timeout_ms), &stmt_claim, NULL, &e);
	bool got = r != NULL && PQntuples(r) > 0;

	if (got)
		db_copy(r, 0, 0, id, sizeof(id));
	PQclear(r);
	if (!got || look(app, id, &blame, &e))
		return got;
	log_write(LOG_WARN, "look.failed", LOG_STR("server", id),
		LOG_STR("kind", err_name(e.code)), LOG_STR("error", e.text));
	if (blame)
		work_server_failed(app, id, &e);
	return true;
}
