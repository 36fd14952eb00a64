/* The judgement on each of a server's instances, as lib/health has it. */
#include <stdlib.h>
#include <string.h>

#include "lib/health.h"
#include "lib/log.h"
#include "lib/server.h"
#include "lib/work-int.h"

#define PROBES 5       /* sessions asked for their QR at one look... */
#define PROBE_MS 10000 /* ...within this time */
#define QR_MAX 2000

static const struct db_stmt stmt_facts = {"look_facts",
	"SELECT id, name, generation, epoch, assigned, paired, state_ms, bad_samples,"
	" health, reason, status"
	" FROM health_facts($1, $2::bigint * interval '1 millisecond')",
	2};

static const struct db_stmt stmt_judged = {
	"look_judged", "SELECT health_write($1::json, $2::boolean)", 2};

enum {
	ID,
	NAME,
	GENERATION,
	EPOCH,
	ASSIGNED,
	PAIRED,
	STATE_MS,
	BAD_SAMPLES,
	HEALTH,
	REASON,
	STATUS
};

/* What is judged, and with what. */
struct judging {
	struct app *app;
	const struct server *server;
	const PGresult *facts;
	const json_t *by_name;
	deadline_t deadline;
	json_t *rows; /* judgements to be written */
	int probes;   /* questions for a QR that are left */
};

/* Functionality: a session that says it shows a QR is asked for it. Not being in that state any
 * more is no trouble. Where asking would void what its owner is about to scan, nobody asks. */
static void
probe(struct judging *j, int row, struct health_facts *f)
{
	const char *name = db_text(j->facts, row, NAME);
	struct err why = ERR_INIT;
	struct buf qr;

	if (f->answer != ANSWER_SESSION || f->state != SESSION_SCAN || !f->assigned ||
		f->paired || server_gateway(j->server)->qr_run_ms > 0 ||
		j->probes <= 0 || deadline_left(j->deadline) == 0)
		return;
	j->probes--;
	buf_init(&qr, QR_MAX);
	if (server_gateway(j->server)->qr(
		    j->app->http, j->server, name, &qr, j->deadline, &why))
		f->qr = QR_SHOWN;
	else if (why.code == ERR_NOT_FOUND || why.code == ERR_PROTOCOL ||
		(why.code == ERR_UNAVAILABLE && why.status != 0 && why.status != 429))
		f->qr = QR_REFUSED;
	buf_free(&qr);
}

/* Reads one row of health_facts and what the list says of it. False if the database has
 * newer news than the list: then the next look judges. */
static bool
read_facts(struct judging *j, int row, struct health_facts *f)
{
	const PGresult *r = j->facts;
	const json_t *listed = json_object_get(j->by_name, db_text(r, row, NAME));
	const char *word = json_string_value(json_object_get(listed, "w"));

	*f = (struct health_facts){
		.answer = listed != NULL ? ANSWER_SESSION : ANSWER_ABSENT,
		.word = word,
		.has_phone = json_object_get(listed, "p") != NULL,
		.assigned = db_bool(r, row, ASSIGNED),
		.paired = db_bool(r, row, PAIRED),
		.state_ms = db_int(r, row, STATE_MS),
		.stuck_ms = 1000 * (int64_t)j->app->config.health_stuck_s,
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

/* Judges one instance; adds the judgement if it is another than before. */
static void
judge_row(struct judging *j, int row)
{
	const PGresult *r = j->facts;
	struct health_verdict v;
	struct health_facts f;
	int bad;

	if (!read_facts(j, row, &f))
		return;
	probe(j, row, &f);
	v = health_judge(&f);
	bad = health_is_well(v.state) ? 0 : f.bad_samples;
	if (v.state == f.before && v.remedy == REMEDY_NONE &&
		bad == f.bad_samples - 1 &&
		strcmp(v.reason, db_text(r, row, REASON)) == 0)
		return;
	json_array_append_new(j->rows,
		json_pack("{s:s, s:I, s:I, s:s, s:s, s:i, s:s}", "i",
			db_text(r, row, ID), "g",
			(json_int_t)db_int(r, row, GENERATION), "e",
			(json_int_t)db_int(r, row, EPOCH), "h", health_name(v.state),
			"r", v.reason, "b", bad, "m", remedy_name(v.remedy)));
}

/* Those in trouble first, so that they are asked at each look; then the others in turn. */
static void
judge_all(struct judging *j)
{
	int n = PQntuples(j->facts);
	int first = n > 0 ? (int)clock_jitter((uint32_t)n) % n : 0;

	for (int row = 0; row < n; row++)
		if (db_int(j->facts, row, BAD_SAMPLES) > 0)
			judge_row(j, row);
	for (int i = 0; i < n; i++)
		if (db_int(j->facts, (first + i) % n, BAD_SAMPLES) == 0)
			judge_row(j, (first + i) % n);
}

static bool
write_judgements(const struct judging *j, bool calm, struct err *e)
{
	struct app *app = j->app;
	char *text = json_dumps(j->rows, JSON_COMPACT);
	PGresult *r = NULL;

	if (text != NULL)
		r = db_query(app->db, deadline_in(app->config.db_timeout_ms),
			&stmt_judged, (const char *[]){text, calm ? "true" : "false"},
			e);
	else
		err_set(e, ERR_NOMEM, "out of memory");
	if (r != NULL)
		log_write(LOG_INFO, "look.judged", LOG_STR("server", j->server->id),
			LOG_INT("judgements", json_array_size(j->rows)),
			LOG_INT("changed", db_int(r, 0, 0)),
			LOG_STR("calm", calm ? "yes" : "no"));
	PQclear(r);
	free(text);
	return r != NULL;
}

/* The judgement on each of the server's instances, written down where it changed. */
bool
work_judge(struct app *app, const struct server *s, const json_t *list,
	int64_t asked_ms, bool calm, deadline_t d, struct err *e)
{
	json_t *by_name = json_object(), *rows = json_array(), *one;
	char age[DB_PARAM_SIZE];
	PGresult *facts;
	bool ok = false;
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		one = json_array_get(list, i);
		json_object_set(
			by_name, json_string_value(json_object_get(one, "n")), one);
	}
	facts = db_query(app->db, deadline_in(app->config.db_timeout_ms), &stmt_facts,
		(const char *[]){s->id, db_param_int(age, clock_ms() - asked_ms)}, e);
	if (facts != NULL) {
		struct judging j = {.app = app,
			.server = s,
			.facts = facts,
			.by_name = by_name,
			.deadline = deadline_min(d, deadline_in(PROBE_MS)),
			.rows = rows,
			.probes = PROBES};

		judge_all(&j);
		ok = json_array_size(rows) == 0 || write_judgements(&j, calm, e);
	}
	PQclear(facts);
	json_decref(rows);
	json_decref(by_name);
	return ok;
}
