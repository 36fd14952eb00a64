#include "lib/connect.h"

#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/qr-life.h"
#include "lib/qr-run.h"
#include "lib/server.h"
#include "lib/spent.h"
#include "lib/start.h"
#include "lib/utf8.h"

#define SHOW_MAX 2000       /* bytes of a raw QR; lib/qr takes no more */
#define SWAPS_MAX 2         /* fresh instances tried before their server is left */
#define NEXT_TRY_MS 400     /* less than this shows nobody a QR */
#define ABSENT_LOOKS 8      /* about 3 s: a WAHA that has just started lists nothing */
#define POLL_FIRST_MS 60    /* before a look at a starting session, doubling... */
#define POLL_LONGEST_MS 500 /* ...up to this */

static const struct db_stmt stmt_current = {"connect_current",
	"SELECT true FROM instances"
	" WHERE id = $1 AND epoch = $2::bigint AND lifecycle = 'assigned'",
	2};

static const struct db_stmt stmt_stuck = {"connect_stuck",
	"SELECT true FROM instances WHERE id = $1 AND epoch = $2::bigint"
	" AND lifecycle = 'assigned' AND paired_at IS NULL AND status = 'STARTING'"
	" AND status_since < clock_timestamp() - $3::int * interval '1 second'",
	3};

static const struct db_stmt stmt_dirty = {"connect_dirty",
	"SELECT pool_release_epoch($1, $2::bigint,"
	" 'connected before anybody scanned it')",
	2};

static const struct db_stmt stmt_late = {
	"connect_late", "SELECT late_start($1, $2::bigint)", 2};

static const struct db_stmt stmt_finish = {"connect_finish",
	"SELECT connect_finish($1, $2::bigint, $3::bigint * interval '1 millisecond',"
	" $4, $5, $6, $7::boolean)",
	7};

/* How one instance fared. */
enum outcome {
	SHOWN,     /* result holds something to show, or is connected */
	BROKEN,    /* this instance is no good; another may be */
	DIRTY,     /* it holds a phone that is not this owner's: he must not keep it */
	UNREACHED, /* its gateway does not answer, or refuses us */
	REFUSED,   /* it refuses this user's number, as another would */
	SLOW,      /* the deadline passed, or a call took too long */
	NOTHING,   /* there is no instance to try */
	OURS       /* our database failed: says nothing about the gateway */
};

/* One attempt: what it works on, and what it has done so far. */
struct attempt {
	struct app *app;
	const struct gateway *gw;
	const struct server *server;
	const struct connect_wish *wish;
	struct connect_result *out;
	deadline_t deadline;
	bool hurry; /* another server may do better: no call may take all the time */
	bool restarted;  /* once per attempt: a second FAILED is broken */
	bool made;       /* likewise: an absent session is made anew once */
	bool waited;     /* asked whether it has been starting for too long already */
	int absent;      /* looks in a row at which the gateway knew no such session */
	int64_t dark_ms; /* clock_ms() when it is known to have shown no QR; 0: never */
	struct err *e;
};

static enum outcome
blame(const struct err *e)
{
	switch (e->code) {
	case ERR_NOT_FOUND:
	case ERR_CONFLICT:
		return BROKEN;
	case ERR_UNAVAILABLE:
		/* a 5xx is about this session; 429 is no word on it */
		return e->status != 0 && e->status != 429 ? BROKEN : UNREACHED;
	case ERR_TIMEOUT:
		return SLOW;
	default:
		return UNREACHED;
	}
}

/* Until when one call may take: half of what is left while there may be another way. */
static deadline_t
until(const struct attempt *a)
{
	return a->hurry
		? deadline_min(a->deadline, deadline_in(deadline_left(a->deadline) / 2))
		: a->deadline;
}

/* Who saw it begin knows; else the database does, roughly. */
static int64_t
life_of_qr(struct attempt *a)
{
	if (a->gw->qr_run_ms == 0 && a->dark_ms > 0)
		return qr_life_left(a->gw, clock_ms() - a->dark_ms, -1);
	return qr_life(a->app, a->server, a->out->claim.name, a->deadline);
}

/* Asks for the QR or the code. A session may leave SCAN_QR_CODE between the look and
 * the question: then *again is set and the caller looks anew. */
static enum outcome
ask(struct attempt *a, bool *again)
{
	const char *name = a->out->claim.name;
	struct err why = ERR_INIT;
	bool ok;

	a->out->asked_ms = clock_ms();
	buf_reset(&a->out->show);
	if (a->wish->number != NULL)
		ok = a->gw->pairing_code(a->app->http, a->server, name, a->wish->number,
			&a->out->show, until(a), &why);
	else
		ok = qr_run(a->app, a->server, name,
			a->out->session.state != SESSION_SCAN, &a->out->show, until(a),
			&why);
	if (ok) {
		utf8_copy(a->out->session.word, sizeof(a->out->session.word),
			"SCAN_QR_CODE"); /* where asking began it, it was stopped */
		if (a->wish->number == NULL)
			a->out->life_ms = life_of_qr(a);
		return SHOWN;
	}
	*again = why.code == ERR_CONFLICT && deadline_left(a->deadline) > 0;
	*a->e = why;
	if (*again) {
		a->dark_ms = a->out->asked_ms;
		return SLOW;
	}
	/* a number that the gateway chokes on says nothing about the instance */
	return a->wish->number != NULL && why.status != 429 ? REFUSED : blame(&why);
}

/* Brings a session that shows nothing on its way. */
static bool
nudge(struct attempt *a, enum session_state state)
{
	const char *name = a->out->claim.name;

	if (state == SESSION_STOPPED)
		return start_session(a->app, a->server, name, until(a), a->e);
	if (state != SESSION_FAILED)
		return true;
	if (a->restarted)
		return err_set(a->e, ERR_CONFLICT, "the session failed again");
	a->restarted = true;
	a->out->recovered = start_again(a->app, a->server, name, until(a), a->e);
	return a->out->recovered;
}

/* False if the assignment is over: then the session is absent because it was emptied. */
static bool
is_current(struct attempt *a)
{
	char epoch[DB_PARAM_SIZE];
	PGresult *r = db_query(a->app->db, a->deadline, &stmt_current,
		(const char *[]){a->out->claim.instance_id,
			db_param_int(epoch, a->out->claim.epoch)},
		NULL);
	bool current = r != NULL && PQntuples(r) > 0;

	PQclear(r);
	return current;
}

/*
 * The gateway knows no such session: it lost its data, or is starting and has not
 * read them yet. A never paired one is made anew at once, a paired one only when it
 * stays away: its phone may still be known. A name that is taken after all means that
 * it has come back.
 */
static bool
revive(struct attempt *a)
{
	const struct session_spec spec = {
		.name = a->out->claim.name, .generation = a->out->claim.generation};

	if (a->made)
		return err_set(a->e, ERR_NOT_FOUND, "the session vanished again");
	if (a->out->claim.paired && ++a->absent < ABSENT_LOOKS)
		return true;
	if (!is_current(a))
		return err_set(a->e, ERR_NOT_FOUND, "its owner has left meanwhile");
	a->made = true;
	log_write(LOG_WARN, "connect.remade", LOG_STR("instance", spec.name));
	if (a->gw->create(a->app->http, a->server, &spec, until(a), a->e))
		return a->out->cleaned = true;
	if (a->e->code != ERR_CONFLICT)
		return false;
	err_clear(a->e);
	return true;
}

/* True if an earlier click started it and it has shown nothing for HEALTH_STUCK_S: it never will,
 * and nobody need wait for that again. */
static bool
is_stuck(struct attempt *a)
{
	char epoch[DB_PARAM_SIZE], most[DB_PARAM_SIZE];
	PGresult *r;
	bool stuck;

	if (a->waited || a->out->claim.outcome != CLAIM_OWN || a->out->claim.paired)
		return false;
	a->waited = true;
	r = db_query(a->app->db, a->deadline, &stmt_stuck,
		(const char *[]){a->out->claim.instance_id,
			db_param_int(epoch, a->out->claim.epoch),
			db_param_int(most, a->app->config.health_stuck_s)},
		NULL);
	stuck = r != NULL && PQntuples(r) > 0;
	PQclear(r);
	return stuck;
}

/* What a failed look at the session means. True when the attempt has
 * ended, with *result. */
static bool
look_failed(struct attempt *a, enum outcome *result)
{
	if (a->e->code == ERR_NOT_FOUND) {
		err_clear(a->e);
		if (revive(a))
			return false;
	}
	*result = blame(a->e);
	return true;
}

/* One look at the session. True when the attempt has ended, with *result. */
static bool
step(struct attempt *a, enum outcome *result)
{
	struct session *s = &a->out->session;
	int64_t asked = clock_ms();
	bool again = false;

	err_clear(a->e);
	if (!a->gw->state(
		    a->app->http, a->server, a->out->claim.name, s, until(a), a->e))
		return look_failed(a, result);
	a->absent = 0;
	if (s->state == SESSION_WORKING && a->out->claim.outcome == CLAIM_NEW) {
		/* Nobody can have scanned what nobody was shown: this is a former owner's
		 * phone, and must not be seen. */
		log_write(LOG_ERROR, "connect.dirty",
			LOG_STR("instance", a->out->claim.name));
		*s = (struct session){0};
		err_set(a->e, ERR_CONFLICT, "a fresh session was connected already");
		*result = DIRTY;
		return true;
	}
	if (s->state == SESSION_WORKING) {
		a->out->connected = true;
		a->out->asked_ms = asked;
		*result = SHOWN;
		return true;
	}
	if (s->state != SESSION_SCAN)
		a->dark_ms = asked;
	if (qr_run_possible(a->gw, s)) {
		*result = ask(a, &again);
		return !again;
	}
	if (s->state == SESSION_STARTING && is_stuck(a))
		err_set(a->e, ERR_CONFLICT, "stuck in STARTING");
	else if (nudge(a, s->state))
		return false;
	*result = blame(a->e);
	return true;
}

/* Waits before a look, twice as long each time. False once the deadline has passed. */
static bool
wait_before_look(struct attempt *a, int64_t *wait)
{
	int64_t began = clock_us();
	bool in_time = clock_sleep(*wait, a->deadline);

	spent_since(SPENT_WAIT, began);
	*wait = *wait * 2 < POLL_LONGEST_MS ? *wait * 2 : POLL_LONGEST_MS;
	return in_time ||
		err_set(a->e, ERR_TIMEOUT, "the session is still %s",
			a->out->session.word);
}

static enum outcome
bring_up(struct attempt *a)
{
	enum outcome result = SLOW;
	int64_t wait = POLL_FIRST_MS;
	bool started = false;

	/* One that was claimed on its user's own server, for this click, is yet to be made. */
	if (a->out->claim.outcome == CLAIM_NEW && a->out->claim.generation == 0 &&
		!revive(a))
		return blame(a->e);
	if (a->out->claim.outcome == CLAIM_NEW)
		a->dark_ms = clock_ms();
	/* A fresh one is known to be stopped: starting it at once saves a look, and no session comes up
	 * within a moment: that saves another. */
	if (a->out->claim.outcome == CLAIM_NEW && a->gw->qr_run_ms == 0) {
		utf8_copy(
			a->out->session.word, sizeof(a->out->session.word), "STARTING");
		started = nudge(a, SESSION_STOPPED);
		if (!started && a->e->code != ERR_NOT_FOUND)
			return blame(a->e);
	}
	if (started && !wait_before_look(a, &wait))
		return SLOW;
	while (!step(a, &result))
		if (!wait_before_look(a, &wait))
			return SLOW;
	return result;
}

/* server: the claim's, or NULL: to be read. It is freed here. */
static enum outcome
try_instance(struct app *app, const struct connect_wish *wish, struct server *server,
	bool hurry, deadline_t d, struct connect_result *out, struct err *e)
{
	enum outcome result = UNREACHED;

	if (server == NULL)
		server = server_load(app, out->claim.server_id, d, e);
	if (server == NULL && (e->code == ERR_UNAVAILABLE || e->code == ERR_TIMEOUT))
		result = OURS;
	else if (server != NULL)
		result = bring_up(&(struct attempt){.app = app,
			.gw = server_gateway(server),
			.server = server,
			.wish = wish,
			.out = out,
			.deadline = d,
			.hurry = hurry && !out->claim.paired,
			.e = e});
	server_free(server);
	return result;
}

/* A session that was started by an earlier click and still shows nothing never will:
 * the next click shall find another. */
static void
leave_stuck(struct app *app, struct connect_result *out)
{
	struct err ignored = ERR_INIT;

	if (out->claim.outcome == CLAIM_OWN && !out->claim.paired &&
		out->session.state == SESSION_STARTING)
		pool_swap(app, &out->claim, "stuck in STARTING", false,
			deadline_in(app->config.db_timeout_ms), &ignored);
}

/* A connect that failed takes leave: what is dirty goes at once, and a session that it may have
 * started after its owner left must not run. */
static void
take_leave(struct app *app, const struct claim *c, enum outcome result)
{
	char epoch[DB_PARAM_SIZE];

	PQclear(db_query(app->db, deadline_in(app->config.db_timeout_ms),
		result == DIRTY ? &stmt_dirty : &stmt_late,
		(const char *[]){c->instance_id, db_param_int(epoch, c->epoch)}, NULL));
	if (result == DIRTY)
		pool_wake(app, deadline_in(1000));
}

static bool
give_up(enum outcome result, enum problem *problem, const struct err *e)
{
	if (result == SLOW)
		*problem = PROBLEM_GATEWAY_SLOW;
	else if (result == OURS || result == DIRTY || e->sqlstate[0] != '\0' ||
		e->status == 429)
		*problem = PROBLEM_UNAVAILABLE;
	else
		*problem = PROBLEM_GATEWAY;
	return false;
}

/* What to do about an attempt that failed. */
enum remedy {
	NONE,     /* tell the user */
	ANOTHER,  /* give the instance up for another one */
	ELSEWHERE /* for one of a server that this click has not left yet */
};

/* Only what was never paired is given up, and only while there is time for another try. */
static enum remedy
remedy_for(enum outcome result, const struct connect_result *out, int swaps,
	deadline_t d, const struct err *e)
{
	if (out->claim.paired || deadline_left(d) < NEXT_TRY_MS)
		return NONE;
	if (result == BROKEN && e->code != ERR_UNAVAILABLE && swaps < SWAPS_MAX)
		return ANOTHER; /* a 5xx may be all of the gateway's trouble */
	return result == BROKEN || result == UNREACHED || result == SLOW ? ELSEWHERE
									 : NONE;
}

/* False if there is nothing better, or our database fails: *e then tells the first trouble. */
static bool
swap(struct app *app, struct connect_result *out, enum remedy remedy, deadline_t d,
	struct err *e)
{
	struct err why = *e;
	char server[sizeof(out->claim.server_id)];

	memcpy(server, out->claim.server_id, sizeof(server));
	err_clear(e);
	if (!pool_swap(app, &out->claim, why.text, remedy == ELSEWHERE, d, e))
		return false;
	if (remedy == ANOTHER || strcmp(server, out->claim.server_id) != 0)
		return out->cleaned = true;
	*e = why;
	return false;
}

/* Tries what is claimed, then others, within the one deadline: each server is left once. Where there is
 * none to go to, a server that answers 5xx is tried with one other instance, and one that is slow gets
 * all the time that is left. server: the first claim's, as try_instance takes it. */
static enum outcome
try_all(struct app *app, const struct connect_wish *wish, struct server *server,
	deadline_t d, struct connect_result *out, struct err *e)
{
	enum outcome result;
	enum remedy remedy;
	bool alone = false;
	int spares = 1;

	for (int swaps = 0;
		out->claim.outcome == CLAIM_OWN || out->claim.outcome == CLAIM_NEW;
		swaps++) {
		err_clear(e);
		result = try_instance(app, wish, server, !alone, d, out, e);
		server = NULL; /* the next one may be another's */
		remedy = remedy_for(result, out, swaps, d, e);
		if (alone && remedy != NONE)
			remedy = result == BROKEN && spares-- > 0 ? ANOTHER : NONE;
		if (remedy == NONE)
			return result;
		if (swap(app, out, remedy, d, e))
			continue;
		if (remedy == ANOTHER || e->sqlstate[0] != '\0')
			return result;
		alone = true;
		if (result != SLOW &&
			(result != BROKEN || swaps > 0 || spares-- == 0 ||
				!swap(app, out, ANOTHER, d, e)))
			return result;
	}
	return NOTHING;
}

bool
connect_run(struct app *app, const struct user *u, const struct connect_wish *wish,
	deadline_t d, struct connect_result *out, enum problem *problem, struct err *e)
{
	enum claim_outcome first;
	enum outcome result;
	struct server *server;

	*out = (struct connect_result){0};
	buf_init(&out->show, SHOW_MAX);
	*problem = PROBLEM_UNAVAILABLE;
	if (!pool_claim(app, u, wish->device, d, &out->claim, &server, e)) {
		if (e->code == ERR_UNAUTHORIZED)
			*problem = PROBLEM_UNAUTHORIZED;
		return false;
	}
	first = out->claim.outcome;
	result = try_all(app, wish, server, d, out, e);
	if (result == SHOWN)
		return true;
	if (result == NOTHING) {
		if (out->claim.outcome == CLAIM_EMPTY)
			*problem = PROBLEM_POOL_EMPTY;
		else if (out->claim.outcome == CLAIM_MAINTENANCE)
			*problem = PROBLEM_MAINTENANCE;
		else if (out->claim.outcome == CLAIM_OFTEN)
			*problem = PROBLEM_CLAIMS_USED;
		else if (first == CLAIM_NO_DEVICE)
			*problem = PROBLEM_DEVICE_NOT_FOUND;
		/* else its owner has disconnected meanwhile */
		return false;
	}
	if (result == SLOW)
		leave_stuck(app, out);
	take_leave(app, &out->claim, result);
	return give_up(result, problem, e);
}

bool
connect_instance(struct app *app, const struct connect_wish *wish, deadline_t d,
	struct connect_result *out, enum problem *problem, struct err *e)
{
	enum outcome result;

	buf_init(&out->show, SHOW_MAX);
	result = try_instance(app, wish, NULL, false, d, out, e);
	if (result == SHOWN)
		return true;
	take_leave(app, &out->claim, result);
	return give_up(result, problem, e);
}

void
connect_result_free(struct connect_result *r)
{
	buf_free(&r->show);
}

bool
connect_finish(struct db_conn *c, const struct connect_result *r, deadline_t d,
	bool *current, struct err *e)
{
	const struct session *s = &r->session;
	char epoch[DB_PARAM_SIZE], age[DB_PARAM_SIZE];
	PGresult *result = db_exec(c, d, &stmt_finish,
		(const char *[]){r->claim.instance_id,
			db_param_int(epoch, r->claim.epoch),
			db_param_int(age, clock_ms() - r->asked_ms), s->word,
			db_param_text(s->phone), db_param_text(s->profile),
			r->connected ? "false" : "true"},
		e);

	*current = result != NULL && db_bool(result, 0, 0);
	PQclear(result);
	return result != NULL;
}
