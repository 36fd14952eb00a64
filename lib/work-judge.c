/* The judgement on each of a server's instances, as lib/health has it. */
#include <stdlib.h>
#include <string.h>

#include "lib/health.h"
#include "lib/log.h"
#include "lib/work-int.h"

static const struct db_stmt stmt_facts = {"look_facts",
	"SELECT id, name, generation, assigned, paired, state_ms, bad_samples, health, "
	"reason,"
	" status FROM health_facts($1, $2::bigint * interval '1 millisecond')",
	2};

static const struct db_stmt stmt_judged = {
	"look_judged", "SELECT health_write($1::json, $2::boolean)", 2};

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
bool
work_judge(struct app *app, const struct server *s, const json_t *list,
	int64_t asked_ms, bool calm, struct err *e)
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
