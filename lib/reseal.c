#include "lib/reseal.h"

#include <stdio.h>
#include <string.h>

#include "lib/db.h"
#include "lib/log.h"
#include "lib/seal.h"

#define PLAIN_MAX 4096
#define FIRST_ID "00000000-0000-0000-0000-000000000000"

/* Of each place: what is not sealed with the key of prefix $1, behind the id $2. */
#define OLD(table, column)                                                             \
	"SELECT id, " column " FROM " table " WHERE " column                           \
	" IS NOT NULL AND NOT starts_with(" column ", $1) AND id > $2 ORDER BY id"     \
	" LIMIT 100"
#define NEW(table, column)                                                             \
	"UPDATE " table " SET " column " = $3 WHERE id = $1 AND " column " = $2"

static const struct place {
	const char *table, *column; /* as they were sealed for */
	struct db_stmt find, write;
} places[] = {
	{"waha_servers", "api_key",
		{"reseal_key_find", OLD("waha_servers", "api_key_sealed"), 2},
		{"reseal_key", NEW("waha_servers", "api_key_sealed"), 3}},
	{"waha_servers", "webhook_secret",
		{"reseal_secret_find", OLD("waha_servers", "webhook_secret_sealed"), 2},
		{"reseal_secret", NEW("waha_servers", "webhook_secret_sealed"), 3}},
	{"event_subscriptions", "secret",
		{"reseal_event_find", OLD("event_subscriptions", "secret_sealed"), 2},
		{"reseal_event", NEW("event_subscriptions", "secret_sealed"), 3}},
	{"event_subscriptions", "secret",
		{"reseal_former_find", OLD("event_subscriptions", "former_sealed"), 2},
		{"reseal_former", NEW("event_subscriptions", "former_sealed"), 3}},
};

#define NPLACES (sizeof(places) / sizeof(places[0]))

/* False on an error of db or seal. A text that does not open is counted and left. */
static bool
reseal_one(struct app *app, struct reseal *r, const struct place *p, const char *id,
	const char *sealed, deadline_t d, struct err *e)
{
	struct err why = ERR_INIT;
	struct buf plain, fresh;
	PGresult *res = NULL;
	bool ok = true;

	buf_init(&plain, PLAIN_MAX);
	buf_init(&fresh, 2 * PLAIN_MAX);
	if (!unseal(app->seal, p->table, id, p->column, sealed, &plain, &why)) {
		log_write(LOG_ERROR, "reseal.failed", LOG_STR("table", p->table),
			LOG_STR("id", id), LOG_STR("error", why.text));
		r->failed++;
		goto out;
	}
	ok = seal(app->seal, p->table, id, p->column, buf_str(&plain), &fresh, e);
	if (ok)
		res = db_query(app->db, d, &p->write,
			(const char *[]){id, sealed, buf_str(&fresh)}, e);
	ok = res != NULL;
	r->done += ok && strcmp(PQcmdTuples(res), "1") == 0;
out:
	PQclear(res);
	seal_wipe(&plain);
	buf_free(&fresh);
	return ok;
}

bool
reseal_batch(struct app *app, struct reseal *r, bool *more, deadline_t d, struct err *e)
{
	const struct place *p = &places[r->place];
	char prefix[32];
	PGresult *rows;
	bool ok;

	*more = r->place < NPLACES;
	if (!*more)
		return true;
	snprintf(prefix, sizeof(prefix), "sealed:v%d:", seal_key_current(app->seal));
	rows = db_query(app->db, d, &p->find,
		(const char *[]){prefix, *r->after != '\0' ? r->after : FIRST_ID}, e);
	ok = rows != NULL;
	for (int i = 0; ok && i < PQntuples(rows); i++) {
		ok = reseal_one(
			app, r, p, db_text(rows, i, 0), db_text(rows, i, 1), d, e);
		db_copy(rows, i, 0, r->after, sizeof(r->after));
	}
	if (ok && PQntuples(rows) == 0) {
		r->place++;
		r->after[0] = '\0';
	}
	PQclear(rows);
	return ok;
}
