#include "lib/upkeep.h"

#include <stdio.h>

#include "lib/db.h"

#define BATCH "1000"

static const struct db_stmt stmt_refill = {"upkeep_refill",
	"SELECT pool_refill($1::int, $2::int, $3::int, $4::int, $5::boolean)", 5};

static const struct db_stmt stmt_unpaired = {
	"upkeep_unpaired", "SELECT release_unpaired($1::int * interval '1 second')", 1};

static const struct db_stmt stmt_prune = {"upkeep_prune",
	"SELECT prune($1::int * interval '1 hour', $2::int * interval '1 day',"
	" $3::int * interval '1 hour', " BATCH ")",
	3};

static const struct db_stmt stmt_due = {"upkeep_due", "SELECT work_due($1::int)", 1};

struct number {
	char text[16];
};

static const char *
number(struct number *n, int value)
{
	snprintf(n->text, sizeof(n->text), "%d", value);
	return n->text;
}

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
	struct number target, low, step, max;

	return counted(app, &stmt_refill,
		(const char *[]){number(&target, c->pool_target),
			number(&low, c->pool_low), number(&step, c->pool_step),
			number(&max, c->pool_max), top_up ? "true" : "false"},
		d, n, e);
}

bool
upkeep_unpaired(struct app *app, deadline_t d, int *n, struct err *e)
{
	struct number ttl;

	return counted(app, &stmt_unpaired,
		(const char *[]){number(&ttl, app->config.unpaired_ttl_s)}, d, n, e);
}

bool
upkeep_prune(struct app *app, deadline_t d, int *n, struct err *e)
{
	const struct config *c = &app->config;
	struct number messages, events, idempotency;
	const char *params[] = {number(&messages, c->message_retention_h),
		number(&events, c->event_retention_d),
		number(&idempotency, c->idempotency_ttl_h)};
	int batch;

	do {
		batch = 0;
		if (!counted(app, &stmt_prune, params, d, &batch, e))
			return false;
		if (n != NULL)
			*n += batch;
	} while (batch > 0 && deadline_left(d) > 0);
	return true;
}

int
upkeep_due(struct app *app, int most, deadline_t d, struct err *e)
{
	struct number limit;
	int n = 0;

	if (!counted(app, &stmt_due, (const char *[]){number(&limit, most)}, d, &n, e))
		return -1;
	return n;
}
