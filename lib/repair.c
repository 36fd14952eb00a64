#include "lib/repair.h"

#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/work-int.h"

#define LOOK_MS 20000
#define QR_MAX 2000

static const struct db_stmt stmt_claim = {"repair_claim",
	"SELECT " WORK_ITEM_COLUMNS " FROM repair_claim($1, '" WORK_LEASE "')", 1};

static const struct db_stmt stmt_cleanup = {"repair_cleanup",
	"SELECT " WORK_ITEM_COLUMNS
	" FROM repair_cleanup($1, $2::bigint, $3::bigint, $4, $5::boolean, '" WORK_LEASE
	"')",
	5};

static const struct db_stmt stmt_facts = {"repair_facts",
	"SELECT lifecycle = 'assigned', paired_at IS NOT NULL,"
	" (extract(epoch FROM clock_timestamp() - status_since) * 1000)::bigint,"
	" bad_samples, health FROM instances WHERE id = $1 AND work_token = $2",
	2};

static const struct db_stmt stmt_judged = {"repair_judged",
	"SELECT health_write(json_build_array(json_build_object('i', $1::uuid,"
	" 'g', $2::bigint, 'e', $3::bigint, 'h', $4::text, 'r', $5::text,"
	" 'b', $6::int, 'm', 'none')), false)",
	6};

static const struct db_stmt stmt_note = {
	"repair_note", "SELECT repair_note($1, $2, $3, $4, $5, $6::bigint)", 6};

static const struct db_stmt stmt_done = {
	"repair_done", "SELECT repair_done($1, $2, $3::boolean)", 3};

enum { ASSIGNED, PAIRED, STATE_MS, BAD_SAMPLES, HEALTH };

/* A look at one instance: what was found, and the judgement. */
struct look {
	struct health_facts facts;
	struct session session;
	struct health_verdict verdict;
};

/* The instance behind an id or a name. */
static bool
find(struct app *app, const char *which, deadline_t d, struct instance *out,
	struct err *e)
{
	if (!instance_get(app, which, false, d, out, e))
		return false;
	return strcmp(out->lifecycle, "retired") != 0 ||
		err_set(e, ERR_NOT_FOUND, "that instance is retired");
}

/* Leases by one of the two statements, and opens the server. */
static bool
claim(struct app *app, const struct db_stmt *s, const char *const *params, deadline_t d,
	struct work_item *it, struct err *e)
{
	PGresult *r = db_query(app->db, d, s, params, e);
	bool leased = r != NULL && PQntuples(r) > 0;

	if (leased)
		work_item_read(app, r, d, it);
	else if (r != NULL)
		err_set(e, ERR_CONFLICT, "it is being worked on, or may not be now");
	PQclear(r);
	return leased;
}

static bool
begin(struct app *app, const char *which, deadline_t d, struct work_item *it,
	struct err *e)
{
	struct instance i;

	return find(app, which, d, &i, e) &&
		claim(app, &stmt_claim, (const char *[]){i.id}, d, it, e);
}

/* Gives the lease back. */
static void
end(struct work_item *it, bool well)
{
	work_run(it->app, &stmt_done,
		(const char *[]){it->id, it->token, well ? "true" : "false"});
	work_item_close(it);
}

/* One row of the trail. */
static void
note(struct work_item *it, const char *step, const char *outcome, const char *reason,
	int64_t began)
{
	char ms[DB_PARAM_SIZE];

	log_write(LOG_INFO, "repair", LOG_STR("instance", it->name),
		LOG_STR("step", step), LOG_STR("outcome", outcome));
	work_run(it->app, &stmt_note,
		(const char *[]){it->id, it->token, step, outcome, reason,
			db_param_int(ms, clock_ms() - began)});
}

/* What the gateway says: existence, connection, functionality. */
static void
ask(struct work_item *it, struct look *l, deadline_t d)
{
	struct http *h = it->app->http;
	struct err why = ERR_INIT;
	int64_t asked = clock_ms();
	struct buf qr;

	if (!it->gw->state(h, it->server, it->name, &l->session, d, &why)) {
		if (!work_item_blame(it, &why))
			l->facts.answer = ANSWER_NONE;
		else
			l->facts.answer = why.code == ERR_NOT_FOUND ? ANSWER_ABSENT
								    : ANSWER_FAILED;
		return;
	}
	l->facts.answer = ANSWER_SESSION;
	l->facts.state = l->session.state;
	l->facts.word = l->session.word;
	l->facts.has_phone = *l->session.phone != '\0';
	work_item_observe(it, &l->session, asked);
	/* where asking would void what its owner is about to scan, nobody asks */
	if (l->session.state != SESSION_SCAN || it->gw->qr_run_ms > 0)
		return;
	buf_init(&qr, QR_MAX);
	if (it->gw->qr(h, it->server, it->name, &qr, d, &why))
		l->facts.qr = QR_SHOWN;
	else if (why.code != ERR_CONFLICT && work_item_blame(it, &why))
		l->facts.qr = QR_REFUSED;
	buf_free(&qr);
}

/* What the database knows: timeout, consistency. */
static bool
recall(struct work_item *it, struct look *l, struct err *e)
{
	PGresult *r = db_query(it->app->db, deadline_in(it->app->config.db_timeout_ms),
		&stmt_facts, (const char *[]){it->id, it->token}, e);
	bool ours = r != NULL && PQntuples(r) > 0;

	if (ours) {
		l->facts.assigned = db_bool(r, 0, ASSIGNED);
		l->facts.paired = db_bool(r, 0, PAIRED);
		l->facts.state_ms = db_int(r, 0, STATE_MS);
		l->facts.stuck_ms = 1000 * (int64_t)it->app->config.health_stuck_s;
		l->facts.bad_samples = (int)db_int(r, 0, BAD_SAMPLES) + 1;
		l->facts.before = health_of(db_text(r, 0, HEALTH));
	} else if (r != NULL) {
		err_set(e, ERR_CONFLICT, "it has changed hands meanwhile");
	}
	PQclear(r);
	return ours;
}

/* Asks, judges, and writes the judgement down; begins no remedy. A gateway that does not
 * answer is no word on the session. */
static bool
judge(struct work_item *it, struct look *l, struct err *e)
{
	char generation[DB_PARAM_SIZE], epoch[DB_PARAM_SIZE], bad[DB_PARAM_SIZE];

	*l = (struct look){0};
	if (!work_item_open(it, e))
		return false;
	ask(it, l, deadline_min(it->deadline, deadline_in(LOOK_MS)));
	if (!recall(it, l, e))
		return false;
	l->verdict = health_judge(&l->facts);
	if (l->facts.answer != ANSWER_NONE)
		work_run(it->app, &stmt_judged,
			(const char *[]){it->id,
				db_param_int(generation, it->generation),
				db_param_int(epoch, it->epoch),
				health_name(l->verdict.state), l->verdict.reason,
				db_param_int(bad,
					health_is_well(l->verdict.state)
						? 0
						: l->facts.bad_samples)});
	return true;
}

static void
report(const struct look *l, struct health_report *out)
{
	out->state = l->verdict.state;
	out->healthy = health_is_well(out->state);
	out->should_cleanup = health_should_cleanup(out->state);
	memcpy(out->reason, l->verdict.reason, sizeof(out->reason));
}

bool
check_instance_health(struct app *app, const char *which, deadline_t d,
	struct health_report *out, struct err *e)
{
	struct err why = ERR_INIT;
	struct work_item it;
	struct look l;
	bool ok;

	*out = (struct health_report){0};
	if (!begin(app, which, d, &it, &why)) {
		err_pass(e, &why);
		return false;
	}
	ok = judge(&it, &l, &why);
	if (ok)
		report(&l, out);
	else
		err_pass(e, &why);
	end(&it, false);
	return ok;
}

/* Restarts it as often as the ladder does, with its pauses. */
static bool
restart(struct work_item *it, struct session *s, struct err *e)
{
	const struct config *c = &it->app->config;
	int64_t began;

	for (int i = 1;; i++) {
		began = clock_ms();
		err_clear(e);
		if (work_restart(it, s, e)) {
			note(it, "restart",
				s->state == SESSION_WORKING ? "recovered" : "unpaired",
				"", began);
			return true;
		}
		note(it, "restart", "failed", e->text, began);
		if (i >= c->health_attempts || !work_item_blame(it, e) ||
			!clock_sleep(
				work_backoff_ms(i, c->health_retry_ms), it->deadline))
			return false;
	}
}

/* The last of what seed 002's tryRecoverInstance does. */
static bool
log_out(struct work_item *it, struct session *s, struct err *e)
{
	int64_t began = clock_ms();
	bool ours, ok;

	if (deadline_left(it->deadline) == 0 || !work_item_blame(it, e))
		return false;
	err_clear(e);
	ok = work_logout(it, &ours, e) && work_restart(it, s, e);
	note(it, "logout", ok ? "unpaired" : "failed", ok ? "" : e->text, began);
	return ok;
}

bool
try_recover_instance(struct app *app, const char *which, deadline_t d, bool *recovered,
	struct err *e)
{
	struct err why = ERR_INIT;
	struct work_item it;
	struct look l;
	bool ok;

	*recovered = false;
	if (!begin(app, which, d, &it, &why)) {
		err_pass(e, &why);
		return false;
	}
	ok = judge(&it, &l, &why);
	if (!ok)
		err_pass(e, &why);
	else if (health_is_well(l.verdict.state))
		*recovered = true;
	else if (l.facts.assigned && l.facts.answer != ANSWER_NONE)
		*recovered = restart(&it, &l.session, &why) ||
			log_out(&it, &l.session, &why);
	end(&it, *recovered);
	return ok;
}

/* True if somebody else has it by now, or its session is another. */
static bool
has_changed(struct app *app, const struct instance *seen, deadline_t d)
{
	struct err ignored = ERR_INIT;
	struct instance now;

	return instance_get(app, seen->id, false, d, &now, &ignored) &&
		(now.epoch != seen->epoch || now.generation != seen->generation);
}

static bool
clean_up(struct app *app, const struct instance *seen, const char *reason, bool force,
	deadline_t d, struct err *e)
{
	char epoch[DB_PARAM_SIZE], generation[DB_PARAM_SIZE];
	struct err why = ERR_INIT;
	struct work_item it;
	bool ok;

	if (!claim(app, &stmt_cleanup,
		    (const char *[]){seen->id, db_param_int(epoch, seen->epoch),
			    db_param_int(generation, seen->generation), reason,
			    force ? "true" : "false"},
		    d, &it, &why)) {
		if (why.code == ERR_CONFLICT && has_changed(app, seen, d))
			return err_set(
				e, ERR_CONFLICT, "it has changed hands meanwhile");
		err_pass(e, &why);
		return false;
	}
	ok = work_remake(&it, &why);
	if (!ok)
		err_pass(e, &why);
	work_item_close(&it);
	return ok;
}

bool
cleanup_corrupted_instance(
	struct app *app, const struct instance *seen, deadline_t d, struct err *e)
{
	return clean_up(app, seen, "cleaned up by hand", true, d, e);
}

bool
ensure_healthy_instance(struct app *app, const char *which, deadline_t d,
	struct ensure_result *out, struct err *e)
{
	struct health_report r;
	struct err why = ERR_INIT;
	struct instance i;
	char reason[160];

	*out = (struct ensure_result){0};
	/* by its id: a cleanup gives it another name */
	if (!find(app, which, d, &i, &why)) {
		err_pass(e, &why);
		return false;
	}
	if (!check_instance_health(app, i.id, d, &r, e))
		return false;
	if (!r.healthy && r.state != HEALTH_NOT_FOUND &&
		!try_recover_instance(app, i.id, d, &out->recovered, e))
		return false;
	if (!r.healthy && !out->recovered &&
		(r.should_cleanup || r.state == HEALTH_NOT_FOUND)) {
		snprintf(reason, sizeof(reason), "%s: %s", health_name(r.state),
			r.reason);
		if (!clean_up(app, &i, reason, false, d, &why)) {
			err_pass(e, &why);
			return false;
		}
		out->cleaned = true;
	}
	out->healthy = r.healthy || out->recovered || out->cleaned;
	return true;
}
