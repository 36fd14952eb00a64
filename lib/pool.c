#include "lib/pool.h"

#include <stdio.h>
#include <string.h>

#include "lib/claim-int.h"
#include "lib/db.h"
#include "lib/log.h"
#include "lib/server-int.h"

#define CLAIM_COLUMNS                                                                  \
	"c.outcome, c.instance_id, c.name, c.server_id, c.device_id, c.epoch, "        \
	"c.generation, c.status, c.paired, c.low"
#define CLAIM_NCOLUMNS 10

/* With the server, which every claim wants next: a round trip less. */
static const struct db_stmt stmt_claim = {"pool_claim",
	"SELECT " CLAIM_COLUMNS ", " SERVER_COLUMNS
	" FROM pool_claim($1, $2, $3, $4::int, '{}', $5::int) c"
	" LEFT JOIN waha_servers s ON s.id = c.server_id",
	5};

static const struct db_stmt stmt_swap = {"pool_swap",
	"SELECT " CLAIM_COLUMNS
	" FROM pool_swap($1, $2::bigint, $3, $4::int, $5::uuid[]) c",
	5};

static const struct db_stmt stmt_release = {
	"pool_release", "SELECT pool_release($1, $2, 'disconnected by its user')", 2};

static const struct db_stmt stmt_wake = {"pool_wake", "NOTIFY wapool", 0};

static enum claim_outcome
outcome_of(const char *word)
{
	if (strcmp(word, "own") == 0)
		return CLAIM_OWN;
	if (strcmp(word, "claimed") == 0)
		return CLAIM_NEW;
	if (strcmp(word, "maintenance") == 0)
		return CLAIM_MAINTENANCE;
	if (strcmp(word, "often") == 0)
		return CLAIM_OFTEN;
	return strcmp(word, "empty") == 0 ? CLAIM_EMPTY : CLAIM_NO_DEVICE;
}

void
claim_of_row(const PGresult *r, struct claim *out)
{
	*out = (struct claim){.epoch = db_int(r, 0, 5),
		.generation = db_int(r, 0, 6),
		.paired = db_bool(r, 0, 8)};
	db_copy(r, 0, 1, out->instance_id, sizeof(out->instance_id));
	db_copy(r, 0, 2, out->name, sizeof(out->name));
	db_copy(r, 0, 3, out->server_id, sizeof(out->server_id));
	db_copy(r, 0, 4, out->device_id, sizeof(out->device_id));
	db_copy(r, 0, 7, out->status, sizeof(out->status));
}

/* Does not take the result. */
static void
read_claim(struct app *app, const PGresult *r, deadline_t d, struct claim *out)
{
	claim_of_row(r, out);
	out->outcome = outcome_of(db_text(r, 0, 0));
	if (db_bool(r, 0, 9))
		pool_wake(app, d);
}

bool
pool_claim(struct app *app, const struct user *u, const char *device, deadline_t d,
	struct claim *out, struct server **server, struct err *e)
{
	char low[DB_PARAM_SIZE], hour[DB_PARAM_SIZE];
	PGresult *r = db_query(app->db, d, &stmt_claim,
		(const char *[]){u->id, u->email, device,
			db_param_int(low, app->config.pool_low),
			db_param_int(hour, app->config.claim_limit)},
		e);

	*server = NULL;
	if (r == NULL)
		return false;
	read_claim(app, r, d, out);
	if (db_text(r, 0, CLAIM_NCOLUMNS) != NULL)
		*server = server_of_row(app, r, 0, CLAIM_NCOLUMNS, NULL);
	PQclear(r);
	return true;
}

/* Adds the claim's server to those it has left: "{id,id}". */
static bool
leave(struct claim *c)
{
	size_t n = strlen(c->left);

	if (n + strlen(c->server_id) + 3 > sizeof(c->left))
		return false;
	snprintf(c->left + (n > 0 ? n - 1 : 0), sizeof(c->left) - n, "%c%s}",
		n > 0 ? ',' : '{', c->server_id);
	return true;
}

bool
pool_swap(struct app *app, struct claim *claim, const char *reason, bool leave_server,
	deadline_t d, struct err *e)
{
	char epoch[DB_PARAM_SIZE], low[DB_PARAM_SIZE];
	char left[sizeof(claim->left)];
	PGresult *r;

	if (leave_server && !leave(claim))
		return true;
	memcpy(left, claim->left, sizeof(left));

	log_write(LOG_WARN, "pool.swap", LOG_STR("instance", claim->name),
		LOG_STR("reason", reason));
	r = db_query(app->db, d, &stmt_swap,
		(const char *[]){claim->instance_id, db_param_int(epoch, claim->epoch),
			reason, db_param_int(low, app->config.pool_low),
			leave_server ? left : "{}"},
		e);
	if (r == NULL)
		return false;
	read_claim(app, r, d, claim);
	PQclear(r);
	memcpy(claim->left, left, sizeof(left));
	pool_wake(app, d); /* the one given up wants to be emptied */
	return true;
}

bool
pool_release(struct app *app, const struct user *u, const char *device, deadline_t d,
	bool *known, struct err *e)
{
	PGresult *r =
		db_query(app->db, d, &stmt_release, (const char *[]){u->id, device}, e);
	bool released;

	if (r == NULL)
		return false;
	*known = strcmp(db_text(r, 0, 0), "no-device") != 0;
	released = strcmp(db_text(r, 0, 0), "released") == 0;
	PQclear(r);
	if (released)
		pool_wake(app, d);
	return true;
}

void
pool_wake(struct app *app, deadline_t d)
{
	db_notify(app->db, d, &stmt_wake);
}
