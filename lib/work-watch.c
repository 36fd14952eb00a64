/* Servers that tell of no connections, asked while somebody waits for his scan. */
#include <stdlib.h>

#include "lib/log.h"
#include "lib/server.h"
#include "lib/work-int.h"

#define WATCH_MS 10000

static const struct db_stmt stmt_claim = {"watch_claim",
	"SELECT id FROM pairing_claim($1::text[], $2::boolean) AS id", 2};

static const struct db_stmt stmt_seen = {"watch_seen",
	"SELECT pairing_seen($1, $2::bigint * interval '1 millisecond', $3::json)", 3};

static bool
add_session(const struct session *s, void *rows)
{
	json_t *row = json_pack("{s:s, s:s, s:s*, s:s*}", "n", s->name, "w", s->word,
		"p", *s->phone != '\0' ? s->phone : NULL, "f",
		*s->profile != '\0' ? s->profile : NULL);

	/* a name that is not UTF-8 is none of ours */
	if (row != NULL)
		json_array_append_new(rows, row);
	return true;
}

static bool
write_down(struct app *app, const char *id, const json_t *rows, int64_t asked_ms,
	struct err *e)
{
	char age[DB_PARAM_SIZE], *text = json_dumps(rows, JSON_COMPACT);
	PGresult *r = NULL;

	if (text == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	r = db_query(app->db, deadline_in(app->config.db_timeout_ms), &stmt_seen,
		(const char *[]){id, db_param_int(age, clock_ms() - asked_ms), text},
		e);
	if (r != NULL && db_int(r, 0, 0) > 0)
		log_write(LOG_INFO, "watch.changed", LOG_STR("server", id),
			LOG_INT("sessions", db_int(r, 0, 0)));
	PQclear(r);
	free(text);
	return r != NULL;
}

/* A failure is not counted: the regular look at the server judges it. */
static void
watch(struct app *app, const char *id)
{
	deadline_t d = deadline_in(WATCH_MS);
	int64_t asked = clock_ms();
	struct err e = ERR_INIT;
	struct server *s = server_load(app, id, d, &e);
	json_t *rows = json_array();

	if (s == NULL ||
		!server_gateway(s)->list(app->http, s, add_session, rows, d, &e) ||
		!write_down(app, id, rows, asked, &e))
		log_write(LOG_INFO, "watch.failed", LOG_STR("server", id),
			LOG_STR("kind", err_name(e.code)), LOG_STR("error", e.text));
	json_decref(rows);
	server_free(s);
}

bool
work_watch(struct app *app, const struct work_side *side)
{
	char kinds[GATEWAY_KINDS_SIZE], id[37];
	PGresult *r =
		db_query(app->db, deadline_in(app->config.db_timeout_ms), &stmt_claim,
			(const char *[]){gateway_polled(kinds), work_own(side)}, NULL);
	bool got = r != NULL && PQntuples(r) > 0;

	if (got)
		db_copy(r, 0, 0, id, sizeof(id));
	PQclear(r);
	if (got)
		watch(app, id);
	return got;
}
