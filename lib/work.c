#include "lib/work.h"

#include <string.h>

#include "lib/log.h"
#include "lib/server.h"
#include "lib/work-int.h"

#define BACKOFF_MS 2000 /* the longest wait after the first failure, doubling... */
#define BACKOFF_LONGEST_MS 60000 /* ...up to this */
#define MAKE_TRIES 3

#define ITEM_COLUMNS                                                                   \
	"id, name, server_id, lifecycle, work_token, work_attempts, generation, "      \
	"epoch, "                                                                      \
	"next_name"

enum { ID, NAME, SERVER_ID, LIFECYCLE, TOKEN, ATTEMPTS, GENERATION, EPOCH, NEXT_NAME };

static const struct db_stmt stmt_claim = {"work_claim",
	"SELECT " ITEM_COLUMNS " FROM work_claim('" WORK_LEASE "', $1::int)", 1};

static const struct db_stmt stmt_done = {"work_done", "SELECT work_done($1, $2)", 2};

static const struct db_stmt stmt_failed = {"work_failed",
	"SELECT work_failed($1, $2, $3, $4::bigint * interval '1 millisecond', "
	"$5::boolean)",
	5};

static const struct db_stmt stmt_lost = {
	"lost_claim", "SELECT " ITEM_COLUMNS " FROM lost_claim('" WORK_LEASE "')", 0};

static const struct db_stmt stmt_later = {"lost_later",
	"SELECT lost_later($1, $2, $3::bigint * interval '1 millisecond')", 3};

static const struct db_stmt stmt_release = {
	"lost_release", "SELECT lost_release($1, $2, $3)", 3};

static const struct db_stmt stmt_observe = {"work_observe",
	"SELECT instance_observe($1, $2::bigint, $3::bigint * interval '1 millisecond',"
	" $4, $5, $6)",
	6};

static const struct db_stmt stmt_server_failed = {
	"server_failed", "SELECT server_failed($1, $2)", 2};

/* A leased item and what is needed to work on it. */
struct item {
	struct app *app;
	char id[37], name[256], next_name[256], server_id[37], token[37];
	bool recycling;
	int attempts;
	int64_t generation, epoch;
	struct server *server;
	const struct gateway *gw;
	deadline_t deadline;
};

bool
work_run(struct app *app, const struct db_stmt *s, const char *const *params)
{
	struct err e = ERR_INIT;
	PGresult *r = db_query(
		app->db, deadline_in(app->config.db_timeout_ms), s, params, &e);
	bool yes = r != NULL && db_bool(r, 0, 0);

	if (r == NULL)
		log_write(LOG_WARN, "work.database", LOG_STR("statement", s->name),
			LOG_STR("error", e.text));
	PQclear(r);
	return yes;
}

static bool
claim(struct app *app, const struct db_stmt *s, const char *const *params,
	struct item *it)
{
	struct err e = ERR_INIT;
	PGresult *r = db_query(
		app->db, deadline_in(app->config.db_timeout_ms), s, params, &e);
	bool got = r != NULL && PQntuples(r) > 0;

	*it = (struct item){.app = app, .deadline = deadline_in(WORK_ITEM_MS)};
	if (got) {
		db_copy(r, 0, ID, it->id, sizeof(it->id));
		db_copy(r, 0, NAME, it->name, sizeof(it->name));
		db_copy(r, 0, NEXT_NAME, it->next_name, sizeof(it->next_name));
		db_copy(r, 0, SERVER_ID, it->server_id, sizeof(it->server_id));
		it->recycling = strcmp(db_text(r, 0, LIFECYCLE), "recycling") == 0;
		db_copy(r, 0, TOKEN, it->token, sizeof(it->token));
		it->attempts = (int)db_int(r, 0, ATTEMPTS);
		it->generation = db_int(r, 0, GENERATION);
		it->epoch = db_int(r, 0, EPOCH);
	} else if (r == NULL) {
		log_write(LOG_WARN, "work.claim", LOG_STR("error", e.text));
	}
	PQclear(r);
	return got;
}

static bool
open_server(struct item *it, struct err *e)
{
	it->server = server_load(it->app, it->server_id, it->deadline, e);
	if (it->server != NULL)
		it->gw = server_gateway(it->server);
	return it->server != NULL;
}

/* Exponential, with jitter over its upper half, so that a server that returns
 * is not flooded. */
static int64_t
backoff_ms(int attempts)
{
	int64_t most = BACKOFF_MS;

	for (int i = 1; i < attempts && most < BACKOFF_LONGEST_MS; i++)
		most *= 2;
	if (most > BACKOFF_LONGEST_MS)
		most = BACKOFF_LONGEST_MS;
	return most / 2 + clock_jitter((uint32_t)(most / 2));
}

/* True if the trouble is the server's: not the session's, nor our database's, which is
 * asked before there is a server and not again. */
static bool
is_servers_fault(const struct item *it, const struct err *e)
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
may_be_elsewhere(const struct item *it, const struct err *e)
{
	return is_servers_fault(it, e) ||
		(it->server != NULL && e->code == ERR_UNAVAILABLE);
}

void
work_server_failed(struct app *app, const char *server_id, const struct err *why)
{
	work_run(app, &stmt_server_failed, (const char *[]){server_id, why->text});
}

/* Makes the session. A name that is taken can only be one that an operator chose, or an
 * answer that got lost: the session goes first. */
static bool
make(struct item *it, struct err *e)
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

/* Nothing of the former owner stays: logged out, deleted. A gateway that cannot log a
 * session out (its engine hangs) is still told to delete it, which unpairs too. */
static bool
empty(struct item *it, struct err *e)
{
	struct http *h = it->app->http;

	if (!it->gw->logout(h, it->server, it->name, it->deadline, e)) {
		if (is_servers_fault(it, e))
			return false;
		log_write(LOG_WARN, "work.logout", LOG_STR("instance", it->name),
			LOG_STR("error", e->text));
		err_clear(e);
	}
	return it->gw->remove(h, it->server, it->name, it->deadline, e);
}

/* Trust is good: the session must be there, stopped, and nobody's. */
static bool
is_clean(struct item *it, struct err *e)
{
	struct session s;

	if (!it->gw->state(
		    it->app->http, it->server, it->next_name, &s, it->deadline, e))
		return false;
	return (s.state == SESSION_STOPPED && *s.phone == '\0') ||
		err_set(e, ERR_PROTOCOL, "made, but it is %s", s.word);
}

static void
report(struct item *it, bool ok, const struct err *e)
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
			db_param_int(wait, backoff_ms(it->attempts)),
			may_be_elsewhere(it, e) ? "true" : "false"});
}

bool
work_make(struct app *app)
{
	char most[DB_PARAM_SIZE]; /* items of one server at a time */
	const char *params[] = {db_param_int(most, app->config.provision_parallel)};
	struct err e = ERR_INIT;
	struct item it;
	bool ok;

	if (!claim(app, &stmt_claim, params, &it))
		return false;
	ok = open_server(&it, &e) && (!it.recycling || empty(&it, &e)) &&
		make(&it, &e) && is_clean(&it, &e);
	report(&it, ok, &e);
	server_free(it.server);
	return true;
}

static void
observe(struct item *it, const struct session *s, int64_t asked_ms)
{
	char generation[DB_PARAM_SIZE], age[DB_PARAM_SIZE];

	work_run(it->app, &stmt_observe,
		(const char *[]){it->id, db_param_int(generation, it->generation),
			db_param_int(age, clock_ms() - asked_ms), s->word,
			db_param_text(s->phone), db_param_text(s->profile)});
}

/* Not if its owner has come back while the gateway was asked. */
static void
release(struct item *it)
{
	if (work_run(it->app, &stmt_release,
		    (const char *[]){it->id, it->token, "logged out on the phone"}))
		log_write(LOG_INFO, "work.released", LOG_STR("instance", it->name));
}

/* What the gateway says decides: a webhook was only the hint. Returns the milliseconds
 * until the next look, if it is still wanted then. */
static int64_t
look_after(struct item *it)
{
	int64_t asked = clock_ms();
	struct err e = ERR_INIT;
	struct session s;

	if (!open_server(it, &e) ||
		!it->gw->state(
			it->app->http, it->server, it->name, &s, it->deadline, &e)) {
		log_write(LOG_WARN, "work.lost", LOG_STR("instance", it->name),
			LOG_STR("error", e.text));
		return backoff_ms(it->attempts + 2);
	}
	observe(it, &s, asked);
	if (s.state == SESSION_SCAN) {
		release(it);
		return 0;
	}
	if (s.state != SESSION_FAILED)
		return 1000;
	/* A failed session may still know its phone: only a restart shows. */
	if (!it->gw->restart(it->app->http, it->server, it->name, it->deadline, &e))
		log_write(LOG_WARN, "work.restart", LOG_STR("instance", it->name),
			LOG_STR("error", e.text));
	return it->attempts < 4 ? 1000 : backoff_ms(it->attempts);
}

bool
work_lost(struct app *app)
{
	struct item it;
	char wait[DB_PARAM_SIZE];

	if (!claim(app, &stmt_lost, NULL, &it))
		return false;
	work_run(app, &stmt_later,
		(const char *[]){it.id, it.token, db_param_int(wait, look_after(&it))});
	server_free(it.server);
	return true;
}
