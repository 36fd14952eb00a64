#include "lib/upkeep.h"

#include "lib/db.h"
#include "lib/gateway.h"
#include "lib/live.h"

#define BATCH "1000"

static const struct db_stmt stmt_refill = {"upkeep_refill",
	"SELECT pool_refill($1::int, $2::int, $3::int, $4::int, $5::boolean)", 5};

static const struct db_stmt stmt_unpaired = {
	"upkeep_unpaired", "SELECT release_unpaired($1::int * interval '1 second')", 1};

static const struct db_stmt stmt_prune = {"upkeep_prune",
	"SELECT prune($1::int * interval '1 hour', $2::int * interval '1 day',"
	" $3::int * interval '1 hour', " BATCH ")",
	3};

static const struct db_stmt stmt_prune_events = {"upkeep_prune_events",
	"SELECT events_prune($1::int * interval '1 hour',"
	" $2::int * interval '1 day', " BATCH ")",
	2};

static const struct db_stmt stmt_prune_messages = {"upkeep_prune_messages",
	"SELECT messages_prune($1::int * interval '1 day',"
	" $2::int * interval '1 hour', " BATCH ")",
	2};

static const struct db_stmt stmt_prune_samples = {
	"upkeep_prune_samples", "SELECT samples_prune(" BATCH ")", 0};

static const struct db_stmt stmt_streams = {
	"upkeep_streams", "SELECT streams_over()", 0};

static const struct db_stmt stmt_due = {"upkeep_due",
	"SELECT work_due($1::int, $3::boolean)"
	" + (SELECT count(*) FROM (SELECT FROM mend_due"
	" WHERE is_of(server_user_id, $3::boolean) LIMIT $1::int) m)"
	" + (SELECT count(*) FROM pairing_due($2::text[], $3::boolean))",
	3};

static const struct db_stmt stmt_settings = {"upkeep_settings",
	"SELECT installation_tz($1)::int + installation_server_limit($2::int)::int", 2};

static const struct db_stmt stmt_roll = {"upkeep_roll", "SELECT quotas_roll()", 0};

static const struct db_stmt stmt_expire = {
	"upkeep_expire", "SELECT messages_expire()", 0};

static const struct db_stmt stmt_reset_hour = {
	"upkeep_reset_hour", "SELECT quotas_reset_hour()", 0};

static const struct db_stmt stmt_reset_day = {
	"upkeep_reset_day", "SELECT quotas_reset_day()", 0};

/* Runs a statement that gives one number. */
static bool
counted(struct app *app, const struct db_stmt *s, const char *const *params,
	deadline_t d, int *n, struct err *e)
{
	PGresult *r = db_query(app->db, d, s, params, e);

	if (r != NULL && n != NULL)
		*n += (int)db_int(r, 0, 0);
	PQclear(r);
	return r != NULL;
}

bool
upkeep_refill(struct app *app, bool top_up, deadline_t d, int *n, struct err *e)
{
	const struct config *c = &app->config;
	char target[DB_PARAM_SIZE], low[DB_PARAM_SIZE], step[DB_PARAM_SIZE],
		max[DB_PARAM_SIZE];

	return counted(app, &stmt_refill,
		(const char *[]){db_param_int(target, c->pool_target),
			db_param_int(low, c->pool_low),
			db_param_int(step, c->pool_step),
			db_param_int(max, c->pool_max), top_up ? "true" : "false"},
		d, n, e);
}

bool
upkeep_unpaired(struct app *app, deadline_t d, int *n, struct err *e)
{
	char ttl[DB_PARAM_SIZE];

	return counted(app, &stmt_unpaired,
		(const char *[]){db_param_int(ttl, app->config.unpaired_ttl_s)}, d, n,
		e);
}

bool
upkeep_prune(struct app *app, deadline_t d, int *n, struct err *e)
{
	const struct config *c = &app->config;
	char messages[DB_PARAM_SIZE], events[DB_PARAM_SIZE], idempotency[DB_PARAM_SIZE];
	const char *params[] = {db_param_int(messages, c->message_retention_h),
		db_param_int(events, c->event_retention_d),
		db_param_int(idempotency, c->idempotency_ttl_h)};
	int batch;

	do {
		batch = 0;
		if (!counted(app, &stmt_prune, params, d, &batch, e) ||
			!counted(app, &stmt_prune_events, params, d, &batch, e) ||
			!counted(app, &stmt_prune_messages, params + 1, d, &batch, e) ||
			!counted(app, &stmt_prune_samples, NULL, d, &batch, e))
			return false;
		if (n != NULL)
			*n += batch;
	} while (batch > 0 && deadline_left(d) > 0);
	return true;
}

bool
upkeep_streams(struct app *app, deadline_t d, int *n, struct err *e)
{
	PGresult *r = db_query(app->db, d, &stmt_streams, NULL, e);

	if (r == NULL)
		return false;
	for (int i = 0; i < PQntuples(r); i++)
		live_end(app->live, db_text(r, i, 0));
	*n += PQntuples(r);
	PQclear(r);
	return true;
}

int
upkeep_due(struct app *app, const struct work_side *side, deadline_t d, struct err *e)
{
	char limit[DB_PARAM_SIZE], polled[GATEWAY_KINDS_SIZE];
	const char *params[] = {db_param_int(limit, side->threads),
		gateway_polled(polled), side->own ? "true" : "false"};
	int n = 0;

	return counted(app, &stmt_due, params, d, &n, e) ? n : -1;
}

bool
upkeep_settings(struct app *app, deadline_t d, struct err *e)
{
	char limit[DB_PARAM_SIZE];

	return counted(app, &stmt_settings,
		(const char *[]){
			app->config.tz, db_param_int(limit, app->config.server_limit)},
		d, NULL, e);
}

bool
upkeep_messages(struct app *app, deadline_t d, int *n, struct err *e)
{
	return counted(app, &stmt_expire, NULL, d, n, e) &&
		counted(app, &stmt_roll, NULL, d, n, e);
}

bool
upkeep_reset(struct app *app, bool day, deadline_t d, int *n, struct err *e)
{
	return counted(app, day ? &stmt_reset_day : &stmt_reset_hour, NULL, d, n, e);
}
