/* The ladder for an assigned instance in trouble: gentle steps first. The database keeps the
 * rung (mend_step); what comes after the last one is its doing too. */
#include <string.h>

#include "lib/log.h"
#include "lib/start.h"
#include "lib/work-int.h"

#define SETTLE_LOOK_MS 500
#define LAST_LOOK_MS 5000 /* what a look may take beyond the time to settle */

static const struct db_stmt stmt_claim = {"mend_claim",
	"SELECT id, name, server_id, lifecycle, work_token, mend_attempts, generation,"
	" epoch, next_name, false, mend_rung"
	" FROM mend_claim('" WORK_LEASE "', $1::boolean)",
	1};

static const struct db_stmt stmt_step = {"mend_step",
	"SELECT mend_step($1, $2, $3, $4, $5::bigint,"
	" $6::bigint * interval '1 millisecond', $7::boolean, $8::int)",
	8};

static const struct db_stmt stmt_logout = {"mend_logout",
	"SELECT mend_logout($1, $2, $3, $4::bigint, $5::bigint, '" WORK_LEASE "')", 5};

/* True if the session works, or waits for a new pairing, which is looked after elsewhere. */
static bool
is_settled(const struct session *s)
{
	return (s->state == SESSION_WORKING && *s->phone != '\0') ||
		s->state == SESSION_SCAN;
}

/* Looks until the session has settled or its time is over; false if it has not. The last
 * look is given its time: or its own end would be taken for the gateway's silence. */
static bool
settle(struct work_item *it, struct session *s, struct err *e)
{
	deadline_t until = deadline_min(
		deadline_in(it->app->config.health_timeout_ms), it->deadline);
	deadline_t last = deadline_min(until + LAST_LOOK_MS, it->deadline);
	int64_t asked;

	do {
		asked = clock_ms();
		err_clear(e);
		if (it->gw->state(it->app->http, it->server, it->name, s, last, e) &&
			is_settled(s)) {
			work_item_observe(it, s, asked);
			return true;
		}
	} while (clock_sleep(SETTLE_LOOK_MS, until));
	if (!err_isset(e))
		err_set(e, ERR_CONFLICT, "it stays %s", s->word);
	return false;
}

bool
work_restart(struct work_item *it, struct session *s, struct err *e)
{
	return start_again(it->app, it->server, it->name, it->deadline, e) &&
		settle(it, s, e);
}

bool
work_logout(struct work_item *it, bool *ours, struct err *e)
{
	char epoch[DB_PARAM_SIZE], generation[DB_PARAM_SIZE];

	*ours = work_run(it->app, &stmt_logout,
		(const char *[]){it->id, it->token, it->name,
			db_param_int(epoch, it->epoch),
			db_param_int(generation, it->generation)});
	if (!*ours)
		return err_set(e, ERR_CONFLICT, "it may not be logged out now");
	return it->gw->logout(it->app->http, it->server, it->name, it->deadline, e);
}

/* One rung. True if the session has settled. *own is false if a failure is none of the
 * session's. */
static bool
climb(struct work_item *it, const char **step, struct session *s, bool *own,
	struct err *e)
{
	bool ours = true;

	*step = "look";
	if (!work_item_open(it, e))
		return *own = false;
	if (it->gw->state(it->app->http, it->server, it->name, s, it->deadline, e) &&
		is_settled(s))
		return true;
	*step = it->rung;
	err_clear(e);
	if (strcmp(it->rung, "release") == 0)
		err_set(e, ERR_CONFLICT, "nothing gentler is left");
	else if ((strcmp(it->rung, "logout") != 0 || work_logout(it, &ours, e)) &&
		work_restart(it, s, e))
		return true;
	*own = ours && work_item_blame(it, e);
	return false;
}

/* What the trail shows as the reason: nothing if it works. */
static const char *
outcome(bool settled, const struct session *s, const struct err *e)
{
	if (!settled)
		return e->text;
	return s->state == SESSION_WORKING ? "" : "it waits for a scan";
}

bool
work_mend(struct app *app, const struct work_side *side)
{
	char again[DB_PARAM_SIZE], ms[DB_PARAM_SIZE], most[DB_PARAM_SIZE];
	const struct config *c = &app->config;
	int64_t began = clock_ms();
	struct err e = ERR_INIT;
	struct session s = {0};
	struct work_item it;
	const char *step;
	bool settled, own = true;

	if (!work_item_claim(app, &stmt_claim, (const char *[]){work_own(side)}, &it))
		return false;
	settled = climb(&it, &step, &s, &own, &e);
	log_write(settled ? LOG_INFO : LOG_WARN, "mend", LOG_STR("instance", it.name),
		LOG_STR("step", step), LOG_INT("attempt", it.attempts),
		LOG_STR("outcome", settled ? s.word : e.text));
	work_run(app, &stmt_step,
		(const char *[]){it.id, it.token, step, outcome(settled, &s, &e),
			db_param_int(ms, clock_ms() - began),
			settled ? NULL
				: db_param_int(again,
					  work_backoff_ms(
						  it.attempts, c->health_retry_ms)),
			own ? "true" : "false",
			db_param_int(most, c->health_attempts)});
	work_item_close(&it);
	return true;
}
