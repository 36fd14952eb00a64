/* A leased item: claimed, opened, told what became of it. */
#include <string.h>

#include "lib/log.h"
#include "lib/server.h"
#include "lib/work-int.h"

#define BACKOFF_LONGEST_MS 60000
#define PING_MS 10000

/* WORK_ITEM_COLUMNS, then what a claim of the ladder adds. */
enum {
	ID,
	NAME,
	SERVER_ID,
	LIFECYCLE,
	TOKEN,
	ATTEMPTS,
	GENERATION,
	EPOCH,
	NEXT_NAME,
	RETIRING,
	RUNG
};

static const struct db_stmt stmt_server_failed = {
	"server_failed", "SELECT server_failed($1, $2)", 2};

static const struct db_stmt stmt_observe = {"work_observe",
	"SELECT instance_observe($1, $2::bigint, $3::bigint * interval '1 millisecond',"
	" $4, $5, $6)",
	6};

static const struct db_stmt stmt_alarms = {"work_alarms",
	"SELECT a.raised, a.kind, coalesce(s.nome, ''), a.reason,"
	" coalesce(s.id::text, ''), coalesce(s.user_id::text, '')"
	" FROM alarms_judge($1) a"
	" LEFT JOIN waha_servers s ON s.id = a.server_id",
	1};

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

void
work_item_read(struct app *app, const PGresult *r, deadline_t d, struct work_item *it)
{
	*it = (struct work_item){.app = app,
		.deadline = deadline_min(d, deadline_in(WORK_ITEM_MS)),
		.recycling = strcmp(db_text(r, 0, LIFECYCLE), "recycling") == 0,
		.retiring = db_bool(r, 0, RETIRING),
		.attempts = (int)db_int(r, 0, ATTEMPTS),
		.generation = db_int(r, 0, GENERATION),
		.epoch = db_int(r, 0, EPOCH)};
	db_copy(r, 0, ID, it->id, sizeof(it->id));
	db_copy(r, 0, NAME, it->name, sizeof(it->name));
	db_copy(r, 0, NEXT_NAME, it->next_name, sizeof(it->next_name));
	db_copy(r, 0, SERVER_ID, it->server_id, sizeof(it->server_id));
	db_copy(r, 0, TOKEN, it->token, sizeof(it->token));
	if (PQnfields(r) > RUNG)
		db_copy(r, 0, RUNG, it->rung, sizeof(it->rung));
}

const char *
work_own(const struct work_side *side)
{
	return side->own ? "true" : "false";
}

bool
work_item_claim(struct app *app, const struct db_stmt *s, const char *const *params,
	struct work_item *it)
{
	struct err e = ERR_INIT;
	PGresult *r = db_query(
		app->db, deadline_in(app->config.db_timeout_ms), s, params, &e);
	bool got = r != NULL && PQntuples(r) > 0;

	if (got)
		work_item_read(app, r, deadline_in(WORK_ITEM_MS), it);
	else if (r == NULL)
		log_write(LOG_WARN, "work.claim", LOG_STR("error", e.text));
	PQclear(r);
	return got;
}

bool
work_item_open(struct work_item *it, struct err *e)
{
	it->server = server_load(it->app, it->server_id, it->deadline, e);
	if (it->server != NULL)
		it->gw = server_gateway(it->server);
	return it->server != NULL;
}

int64_t
work_backoff_ms(int attempts, int base_ms)
{
	int64_t most = base_ms;

	for (int i = 1; i < attempts && most < BACKOFF_LONGEST_MS; i++)
		most *= 2;
	if (most > BACKOFF_LONGEST_MS)
		most = BACKOFF_LONGEST_MS;
	return most / 2 + clock_jitter((uint32_t)(most / 2));
}

bool
work_item_blame(struct work_item *it, const struct err *e)
{
	struct gateway_status st;
	struct err why = ERR_INIT;

	if (it->server == NULL || e->status == 429)
		return false;
	if (it->gw->ping(it->app->http, it->server, &st, deadline_in(PING_MS), &why))
		return true;
	work_server_failed(it->app, it->server_id, &why);
	return false;
}

void
work_alarms(struct app *app, const char *server_id)
{
	struct err e = ERR_INIT;
	PGresult *r = db_query(app->db, deadline_in(app->config.db_timeout_ms),
		&stmt_alarms, (const char *[]){server_id}, &e);

	if (r == NULL)
		log_write(LOG_WARN, "work.database", LOG_STR("statement", "alarms"),
			LOG_STR("error", e.text));
	for (int i = 0; r != NULL && i < PQntuples(r); i++)
		log_write(db_bool(r, i, 0) ? LOG_ERROR : LOG_INFO, "alarm",
			LOG_STR("change", db_bool(r, i, 0) ? "raised" : "cleared"),
			LOG_STR("kind", db_text(r, i, 1)),
			LOG_STR("server", db_text(r, i, 2)),
			LOG_STR("serverId", db_text(r, i, 4)),
			LOG_STR("ownerId", db_text(r, i, 5)),
			LOG_STR("reason", db_text(r, i, 3)));
	PQclear(r);
}

void
work_server_failed(struct app *app, const char *server_id, const struct err *why)
{
	if (why->status == 429)
		return; /* too many calls of ours: it is well */
	work_run(app, &stmt_server_failed, (const char *[]){server_id, why->text});
	work_alarms(app, server_id);
}

void
work_item_observe(struct work_item *it, const struct session *s, int64_t asked_ms)
{
	char generation[DB_PARAM_SIZE], age[DB_PARAM_SIZE];

	work_run(it->app, &stmt_observe,
		(const char *[]){it->id, db_param_int(generation, it->generation),
			db_param_int(age, clock_ms() - asked_ms), s->word,
			db_param_text(s->phone), db_param_text(s->profile)});
}

void
work_item_close(struct work_item *it)
{
	server_free(it->server);
}
