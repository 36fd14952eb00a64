/* The ladder for an assigned instance in trouble: gentle steps first. */
#include "lib/health.h"
#include "lib/log.h"
#include "lib/work-int.h"

#define RESTARTS_MAX 3  /* seed 002: MAX_RETRY_ATTEMPTS */
#define SETTLE_MS 15000 /* that a restarted session has to come back */
#define SETTLE_LOOK_MS 500
#define PING_MS 10000

static const struct db_stmt stmt_claim = {"mend_claim",
	"SELECT id, name, server_id, lifecycle, work_token, mend_attempts, generation, "
	"epoch, next_name"
	" FROM mend_claim('" WORK_LEASE "')",
	0};

static const struct db_stmt stmt_step = {"mend_step",
	"SELECT mend_step($1, $2, $3, $4, $5::bigint, $6::bigint * interval '1 "
	"millisecond', $7::boolean)",
	7};

/* True if the session works, or waits for a new pairing, which is looked after elsewhere. */
static bool
is_settled(const struct session *s)
{
	return (s->state == SESSION_WORKING && *s->phone != '\0') ||
		s->state == SESSION_SCAN;
}

/* Looks until the session has settled or its time is over; false if it has not. */
static bool
settle(struct work_item *it, struct session *s, struct err *e)
{
	deadline_t until = deadline_min(deadline_in(SETTLE_MS), it->deadline);
	int64_t asked;

	do {
		asked = clock_ms();
		err_clear(e);
		if (it->gw->state(it->app->http, it->server, it->name, s, until, e) &&
			is_settled(s)) {
			work_item_observe(it, s, asked);
			return true;
		}
	} while (clock_sleep(SETTLE_LOOK_MS, until));
	if (!err_isset(e))
		err_set(e, ERR_CONFLICT, "it stays %s", s->word);
	return false;
}

/* One rung. True if the instance is well again. */
static bool
climb(struct work_item *it, const char **step, struct err *e)
{
	struct session s = {0};

	*step = "look";
	if (!work_item_open(it, e))
		return false;
	if (it->gw->state(it->app->http, it->server, it->name, &s, it->deadline, e) &&
		is_settled(&s))
		return true;
	*step = "restart";
	err_clear(e);
	return it->gw->restart(it->app->http, it->server, it->name, it->deadline, e) &&
		settle(it, &s, e);
}

/* After a failure: true if it is the session's own. A gateway that does not answer at all, or
 * refuses us, is to blame itself: that is counted against it, and no session pays for it. */
static bool
is_its_own(struct work_item *it)
{
	deadline_t d = deadline_in(PING_MS);
	struct gateway_status st;
	struct err why = ERR_INIT;

	if (it->server == NULL)
		return false;
	if (it->gw->ping(it->app->http, it->server, &st, d, &why))
		return true;
	work_server_failed(it->app, it->server_id, &why);
	return false;
}

bool
work_mend(struct app *app)
{
	char again[DB_PARAM_SIZE], ms[DB_PARAM_SIZE];
	int64_t began = clock_ms();
	struct err e = ERR_INIT;
	struct work_item it;
	const char *step;
	bool well, own;

	if (!work_item_claim(app, &stmt_claim, NULL, &it))
		return false;
	well = climb(&it, &step, &e);
	own = !well && is_its_own(&it);
	log_write(well ? LOG_INFO : LOG_WARN, "mend", LOG_STR("instance", it.name),
		LOG_STR("step", step), LOG_INT("attempt", it.attempts),
		LOG_STR("outcome", well ? "recovered" : e.text));
	work_run(app, &stmt_step,
		(const char *[]){it.id, it.token, step, well ? "" : e.text,
			db_param_int(ms, clock_ms() - began),
			well ? NULL : db_param_int(again, work_backoff_ms(it.attempts)),
			own ? "true" : "false"});
	/* What restarts cannot mend is released: the helper logs it out, deletes and makes it
	 * anew under a lease, when nobody owns it any more. */
	if (own && it.attempts >= RESTARTS_MAX)
		work_item_release(&it, "could not be mended");
	work_item_close(&it);
	return true;
}
