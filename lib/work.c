#include "lib/work.h"

#include <stdio.h>
#include <string.h>

#include "lib/db.h"
#include "lib/log.h"
#include "lib/server.h"

#define LEASE "90 seconds" /* longer than ITEM_MS: nobody repeats what still runs */
#define ITEM_MS 60000
#define BACKOFF_MS 2000
#define BACKOFF_LONGEST_MS 60000
#define MAKE_TRIES 3

static const struct db_stmt stmt_claim = {"work_claim",
	"SELECT id, name, server_id, lifecycle, work_token, work_attempts, generation, "
	"epoch"
	" FROM work_claim('" LEASE "', $1::int)",
	1};

static const struct db_stmt stmt_done = {"work_done", "SELECT work_done($1, $2)", 2};

static const struct db_stmt stmt_failed = {"work_failed",
	"SELECT work_failed($1, $2, $3, $4::bigint * interval '1 millisecond', "
	"$5::boolean)",
	5};

static const struct db_stmt stmt_lost = {"lost_claim",
	"SELECT id, name, server_id, lifecycle, work_token, work_attempts, generation, "
	"epoch"
	" FROM lost_claim('" LEASE "')",
	0};

static const struct db_stmt stmt_later = {"lost_later",
	"SELECT lost_later($1, $2, $3::bigint * interval '1 millisecond')", 3};

static const struct db_stmt stmt_release = {
	"work_release", "SELECT pool_release_epoch($1, $2::bigint, $3)", 3};

static const struct db_stmt stmt_observe = {"work_observe",
	"SELECT instance_observe($1, $2::bigint, $3::bigint * interval '1 millisecond',"
	" $4, $5, $6)",
	6};

static const struct db_stmt stmt_server_failed = {
	"server_failed", "SELECT server_failed($1, $2)", 2};

/* A leased item and what is needed to work on it. */
struct item {
	struct app *app;
	char id[37], name[256], server_id[37], token[37];
	bool recycling;
	int attempts;
	int64_t generation, epoch;
	struct server *server;
	const struct gateway *gw;
	deadline_t deadline;
};

/* Runs a statement of which only success matters. */
static bool
run(struct app *app, const struct db_stmt *s, const char *const *params)
{
	struct err e = ERR_INIT;
	PGresult *r = db_query(
		app->db, deadline_in(app->config.db_timeout_ms), s, params, &e);

	if (r == NULL)
		log_write(LOG_WARN, "work.database", LOG_STR("statement", s->name),
			LOG_STR("error", e.text));
	PQclear(r);
	return r != NULL;
}

static bool
claim(struct app *app, const struct db_stmt *s, struct item *it)
{
	struct err e = ERR_INIT;
	char per_server[16];
	PGresult *r;
	bool got;

	snprintf(per_server, sizeof(per_server), "%d", app->config.provision_parallel);
	r = db_query(app->db, deadline_in(app->config.db_timeout_ms), s,
		(const char *[]){per_server}, &e);
	got = r != NULL && PQntuples(r) > 0;
	*it = (struct item){.app = app, .deadline = deadline_in(ITEM_MS)};
	if (got) {
		snprintf(it->id, sizeof(it->id), "%s", db_text(r, 0, 0));
		snprintf(it->name, sizeof(it->name), "%s", db_text(r, 0, 1));
		snprintf(it->server_id, sizeof(it->server_id), "%s", db_text(r, 0, 2));
		it->recycling = strcmp(db_text(r, 0, 3), "recycling") == 0;
		snprintf(it->token, sizeof(it->token), "%s", db_text(r, 0, 4));
		it->attempts = (int)db_int(r, 0, 5);
		it->generation = db_int(r, 0, 6);
		it->epoch = db_int(r, 0, 7);
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

/* Exponential, with full jitter above its half, so that a server that returns is not
 * flooded. */
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

/* True if the trouble is the server's, not the session's. */
static bool
is_servers_fault(const struct err *e)
{
	return e->code == ERR_UNAUTHORIZED || e->code == ERR_CONFIG ||
		e->code == ERR_TIMEOUT ||
		(e->code == ERR_UNAVAILABLE && e->status == 0 &&
			e->sqlstate[0] == '\0');
}

/* True if another server may do better: also a 5xx, which is what a proxy says of a dead gateway. */
static bool
may_be_elsewhere(const struct err *e)
{
	return is_servers_fault(e) ||
		(e->code == ERR_UNAVAILABLE && e->sqlstate[0] == '\0');
}

static void
tell_server_failed(struct app *app, const char *server_id, const struct err *e)
{
	log_write(LOG_WARN, "server.failed", LOG_STR("server", server_id),
		LOG_STR("kind", err_name(e->code)), LOG_STR("error", e->text));
	run(app, &stmt_server_failed, (const char *[]){server_id, e->text});
}

/* Makes the session. A name that is taken is a former session that has not gone yet, or
 * one that a helper made before it died: it goes first. */
static bool
make(struct item *it, struct err *e)
{
	const struct session_spec spec = {
		.name = it->name, .generation = it->generation};
	struct http *h = it->app->http;

	for (int i = 1;; i++) {
		err_clear(e);
		if (it->gw->create(h, it->server, &spec, it->deadline, e))
			return true;
		if (e->code != ERR_CONFLICT || i == MAKE_TRIES)
			return false;
		err_clear(e);
		if (!it->gw->remove(h, it->server, it->name, it->deadline, e) ||
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
		if (is_servers_fault(e))
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

	if (!it->gw->state(it->app->http, it->server, it->name, &s, it->deadline, e))
		return false;
	return (s.state == SESSION_STOPPED && *s.phone == '\0') ||
		err_set(e, ERR_PROTOCOL, "made, but it is %s", s.word);
}

static void
report(struct item *it, bool ok, const struct err *e)
{
	char wait[24];

	if (ok) {
		run(it->app, &stmt_done, (const char *[]){it->id, it->token});
		log_write(LOG_INFO, "work.ready", LOG_STR("instance", it->name),
			LOG_INT("attempts", it->attempts));
		return;
	}
	log_write(LOG_WARN, "work.failed", LOG_STR("instance", it->name),
		LOG_INT("attempts", it->attempts), LOG_STR("kind", err_name(e->code)),
		LOG_STR("error", e->text));
	if (is_servers_fault(e))
		tell_server_failed(it->app, it->server_id, e);
	snprintf(wait, sizeof(wait), "%lld", (long long)backoff_ms(it->attempts));
	run(it->app, &stmt_failed,
		(const char *[]){it->id, it->token, e->text, wait,
			may_be_elsewhere(e) ? "true" : "false"});
}

bool
work_make(struct app *app)
{
	struct err e = ERR_INIT;
	struct item it;
	bool ok;

	if (!claim(app, &stmt_claim, &it))
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
	char generation[24], age[24];

	snprintf(generation, sizeof(generation), "%lld", (long long)it->generation);
	snprintf(age, sizeof(age), "%lld", (long long)(clock_ms() - asked_ms));
	run(it->app, &stmt_observe,
		(const char *[]){it->id, generation, age, s->word,
			*s->phone != '\0' ? s->phone : NULL,
			*s->profile != '\0' ? s->profile : NULL});
}

static void
release(struct item *it)
{
	char epoch[24];

	snprintf(epoch, sizeof(epoch), "%lld", (long long)it->epoch);
	log_write(LOG_INFO, "work.released", LOG_STR("instance", it->name));
	run(it->app, &stmt_release,
		(const char *[]){it->id, epoch, "logged out on the phone"});
}

/* What the gateway says decides: a webhook was only the hint. */
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
	char wait[24];

	if (!claim(app, &stmt_lost, &it))
		return false;
	snprintf(wait, sizeof(wait), "%lld", (long long)look_after(&it));
	run(app, &stmt_later, (const char *[]){it.id, it.token, wait});
	server_free(it.server);
	return true;
}
