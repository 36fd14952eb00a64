#include "lib/work.h"

#include "lib/log.h"
#include "lib/server.h"
#include "lib/start.h"
#include "lib/work-int.h"

#define MAKE_TRIES 3
#define BACKOFF_MS 2000      /* the longest wait after the first failure */
#define GONE_FIRST_MS 100    /* between two looks for a deleted session, doubling... */
#define GONE_LONGEST_MS 2000 /* ...up to this */

static const struct db_stmt stmt_claim = {"work_claim",
	"SELECT " WORK_ITEM_COLUMNS " FROM work_claim('" WORK_LEASE
	"', $1::int, $2::boolean)",
	2};

static const struct db_stmt stmt_done = {"work_done", "SELECT work_done($1, $2)", 2};

static const struct db_stmt stmt_failed = {"work_failed",
	"SELECT work_failed($1, $2, $3, $4::bigint * interval '1 millisecond',"
	" $5::boolean)",
	5};

static const struct db_stmt stmt_lost = {"lost_claim",
	"SELECT " WORK_ITEM_COLUMNS " FROM lost_claim('" WORK_LEASE "', $1::boolean)",
	1};

static const struct db_stmt stmt_later = {"lost_later",
	"SELECT lost_later($1, $2, $3::bigint * interval '1 millisecond')", 3};

static const struct db_stmt stmt_release = {
	"lost_release", "SELECT lost_release($1, $2, $3)", 3};

/* True if the trouble is the server's: not the session's, nor our database's, which is
 * asked before there is a server and not again. */
static bool
is_servers_fault(const struct work_item *it, const struct err *e)
{
	if (e->code == ERR_UNAUTHORIZED || e->code == ERR_CONFIG)
		return true;
	return it->server != NULL &&
		(e->code == ERR_TIMEOUT ||
			(e->code == ERR_UNAVAILABLE && e->status == 0));
}

/* True if another server may do better: also a 5xx, which is what a proxy says of
 * a dead gateway. */
static bool
may_be_elsewhere(const struct work_item *it, const struct err *e)
{
	return is_servers_fault(it, e) ||
		(it->server != NULL && e->code == ERR_UNAVAILABLE);
}

/* Makes the session. A name that is taken can only be one that an operator chose, or an
 * answer that got lost: the session goes first. */
static bool
make(struct work_item *it, struct err *e)
{
	const struct session_spec spec = {
		.name = it->next_name, .generation = it->generation};
	struct http *h = it->app->http;

	for (int i = 1;; i++) {
		err_clear(e);
		if (it->gw->create(h, it->server, &spec, it->deadline, e))
			return true;
		if (e->code != ERR_CONFLICT || i == MAKE_TRIES)
			return false;
		err_clear(e);
		if (!it->gw->remove(h, it->server, it->next_name, it->deadline, e) ||
			!clock_sleep(250 * i, it->deadline))
			return false;
	}
}

/* Deletes it, and again if need be, until the gateway knows it no more: an answer of 200 is no
 * proof. Within the time that a session may take to settle. */
static bool
remove_for_good(struct work_item *it, struct err *e)
{
	deadline_t until = deadline_min(
		deadline_in(it->app->config.health_timeout_ms), it->deadline);
	struct http *h = it->app->http;
	int64_t wait = GONE_FIRST_MS;
	struct err why = ERR_INIT;
	struct session s;

	for (;;) {
		if (!it->gw->remove(h, it->server, it->name, it->deadline, e))
			return false;
		err_clear(&why);
		if (!it->gw->state(h, it->server, it->name, &s, it->deadline, &why) &&
			why.code == ERR_NOT_FOUND)
			return true;
		if (!clock_sleep(wait, until))
			break;
		wait = wait * 2 < GONE_LONGEST_MS ? wait * 2 : GONE_LONGEST_MS;
	}
	if (err_isset(&why)) {
		*e = why;
		return false;
	}
	return err_set(e, ERR_CONFLICT, "deleted, but it is still there");
}

/* Nothing of the former owner stays: logged out, deleted, gone. A gateway that cannot log a
 * session out (its engine hangs) is still told to delete it, which unpairs too. */
static bool
empty(struct work_item *it, struct err *e)
{
	struct http *h = it->app->http;

	if (!it->gw->logout(h, it->server, it->name, it->deadline, e)) {
		if (is_servers_fault(it, e) || e->status == 429)
			return false;
		log_write(LOG_WARN, "work.logout", LOG_STR("instance", it->name),
			LOG_STR("error", e->text));
		err_clear(e);
	}
	return remove_for_good(it, e);
}

/* Trust is good: the session must be there, stopped, and nobody's. */
static bool
is_clean(struct work_item *it, struct err *e)
{
	struct session s;

	if (!it->gw->state(
		    it->app->http, it->server, it->next_name, &s, it->deadline, e))
		return false;
	return (s.state == SESSION_STOPPED && *s.phone == '\0') ||
		err_set(e, ERR_PROTOCOL, "made, but it is %s", s.word);
}

static void
report(struct work_item *it, bool ok, const struct err *e)
{
	char wait[DB_PARAM_SIZE];

	if (ok) {
		/* not if the lease ended and somebody else does it again */
		if (work_run(it->app, &stmt_done, (const char *[]){it->id, it->token}))
			log_write(LOG_INFO, "work.ready", LOG_STR("instance", it->name),
				LOG_INT("attempts", it->attempts));
		return;
	}
	log_write(LOG_WARN, "work.failed", LOG_STR("instance", it->name),
		LOG_INT("attempts", it->attempts), LOG_STR("kind", err_name(e->code)),
		LOG_STR("error", e->text));
	if (is_servers_fault(it, e)) {
		log_write(LOG_WARN, "server.failed", LOG_STR("server", it->server_id),
			LOG_STR("kind", err_name(e->code)), LOG_STR("error", e->text));
		work_server_failed(it->app, it->server_id, e);
	}
	work_run(it->app, &stmt_failed,
		(const char *[]){it->id, it->token, e->text,
			db_param_int(wait, work_backoff_ms(it->attempts, BACKOFF_MS)),
			may_be_elsewhere(it, e) ? "true" : "false"});
}

bool
work_remake(struct work_item *it, struct err *e)
{
	bool ok = work_item_open(it, e) && (!it->recycling || empty(it, e)) &&
		(it->retiring || (make(it, e) && is_clean(it, e)));

	report(it, ok, e);
	return ok;
}

bool
work_make(struct app *app, const struct work_side *side)
{
	char most[DB_PARAM_SIZE]; /* items of one server, or one user, at a time */
	int crew = side->threads;
	/* not all of them: a server that hangs shall not keep others from being looked at */
	const char *params[] = {db_param_int(most,
					crew >= 4          ? crew * 3 / 4
						: crew > 1 ? crew - 1
							   : 1),
		work_own(side)};
	struct err e = ERR_INIT;
	struct work_item it;

	if (!work_item_claim(app, &stmt_claim, params, &it))
		return false;
	work_remake(&it, &e);
	work_item_close(&it);
	return true;
}

/* Not if its owner has come back while the gateway was asked. */
static void
release(struct work_item *it)
{
	if (work_run(it->app, &stmt_release,
		    (const char *[]){it->id, it->token, "logged out on the phone"}))
		log_write(LOG_INFO, "work.released", LOG_STR("instance", it->name));
}

/* What the gateway says decides: a webhook was only the hint. Returns the milliseconds
 * until the next look, if it is still wanted then. */
static int64_t
look_after(struct work_item *it)
{
	int64_t asked = clock_ms();
	struct err e = ERR_INIT;
	struct session s;

	if (!work_item_open(it, &e) ||
		!it->gw->state(
			it->app->http, it->server, it->name, &s, it->deadline, &e)) {
		log_write(LOG_WARN, "work.lost", LOG_STR("instance", it->name),
			LOG_STR("error", e.text));
		return work_backoff_ms(it->attempts + 2, BACKOFF_MS);
	}
	/* A failed session may still know its phone: only a restart shows. (Evolution 1 calls a
	 * logged-out one closed, as it does a stopped one: written down, it would be lost no
	 * more, and what the restart shows nobody's to see.) */
	if (s.state != SESSION_STOPPED)
		work_item_observe(it, &s, asked);
	if (s.state == SESSION_SCAN) {
		release(it);
		return 0;
	}
	if (s.state != SESSION_FAILED && s.state != SESSION_STOPPED)
		return 1000;
	if (!start_again(it->app, it->server, it->name, it->deadline, &e))
		log_write(LOG_WARN, "work.restart", LOG_STR("instance", it->name),
			LOG_STR("error", e.text));
	return it->attempts < 4 ? 1000 : work_backoff_ms(it->attempts, BACKOFF_MS);
}

bool
work_lost(struct app *app, const struct work_side *side)
{
	struct work_item it;
	char wait[DB_PARAM_SIZE];

	if (!work_item_claim(app, &stmt_lost, (const char *[]){work_own(side)}, &it))
		return false;
	work_run(app, &stmt_later,
		(const char *[]){it.id, it.token, db_param_int(wait, look_after(&it))});
	work_item_close(&it);
	return true;
}
