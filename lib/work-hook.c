/* Webhooks of sessions that were made before: looked at, and set again where they are wrong. */
#include <stdio.h>

#include "lib/log.h"
#include "lib/work-int.h"

#define MOST "100" /* sessions at one look... */
/* ...and no longer than that: other servers are to be looked at */
#define BUDGET_MS 5000

static const struct db_stmt stmt_due = {"hooks_due",
	"SELECT id, name, generation, hook FROM hooks_due($1, $2, " MOST ")", 2};

static const struct db_stmt stmt_seen = {
	"hook_seen", "SELECT hook_seen($1, $2::bigint, $3)", 3};

/* What the webhook of any session of the server is to be. */
static void
hook_of(const struct server *s, char *out, size_t size)
{
	snprintf(out, size, "%s %s %s", s->kind, s->webhook_url, s->secret_mark);
}

/* False if it is the server that does not do: then the others need not be tried. */
static bool
look_at(struct app *app, const struct server *s, const PGresult *r, int row,
	deadline_t d)
{
	const struct session_spec spec = {
		.name = db_text(r, row, 1), .generation = db_int(r, row, 2)};
	struct err e = ERR_INIT;
	bool ok = gateway_of(s->kind)->set_webhook(app->http, s, &spec, d, &e);

	/* one that has gone is told by the list; it, and one that is busy, come again */
	if (!ok && e.code != ERR_NOT_FOUND)
		log_write(LOG_WARN, "hook.failed", LOG_STR("server", s->id),
			LOG_STR("instance", spec.name), LOG_STR("error", e.text));
	if (!ok && e.status == 429)
		return false; /* its turn has not come yet */
	work_run(app, &stmt_seen,
		(const char *[]){db_text(r, row, 0), db_text(r, row, 2),
			ok ? db_text(r, row, 3) : NULL});
	return ok || e.code == ERR_NOT_FOUND || e.code == ERR_CONFLICT ||
		e.status >= 500;
}

void
work_hooks(struct app *app, const struct server *s, deadline_t d)
{
	deadline_t last = deadline_min(d, deadline_in(BUDGET_MS));
	struct err e = ERR_INIT;
	char hook[2200];
	PGresult *r;

	if (*s->webhook_url == '\0' || *s->secret_mark == '\0')
		return;
	hook_of(s, hook, sizeof(hook));
	r = db_query(app->db, deadline_in(app->config.db_timeout_ms), &stmt_due,
		(const char *[]){s->id, hook}, &e);
	if (r == NULL)
		log_write(LOG_WARN, "hook.claim", LOG_STR("error", e.text));
	for (int row = 0; r != NULL && row < PQntuples(r); row++)
		if (deadline_left(last) == 0 || !look_at(app, s, r, row, last))
			break;
	PQclear(r);
}
