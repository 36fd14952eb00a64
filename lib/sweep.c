#include "lib/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "lib/db.h"
#include "lib/pool.h"

#define POLL_MS 100

/* A server that was never looked at makes the oldest look "never". */
static const struct db_stmt stmt_summary = {"sweep_summary",
	"SELECT coalesce(sum(n) FILTER (WHERE label LIKE '%,online'), 0),"
	" coalesce(sum(n) FILTER (WHERE label NOT LIKE 'retired,%'), 0),"
	" (SELECT CASE WHEN count(*) = count(checked_at) THEN rfc3339(min(checked_at)) END"
	" FROM waha_servers WHERE ativo AND sessions_ativas > 0)"
	" FROM counters WHERE family = 'instances'",
	0};

static const struct db_stmt stmt_now = {"sweep_now", "SELECT looks_now()", 0};

static const struct db_stmt stmt_pending = {"sweep_pending",
	"SELECT EXISTS (SELECT FROM waha_servers"
	" WHERE ativo AND check_next_at <= $1::timestamptz)",
	1};

bool
sweep_summary(struct app *app, deadline_t d, struct sweep *out, struct err *e)
{
	PGresult *r = db_query(app->db, d, &stmt_summary, NULL, e);

	*out = (struct sweep){0};
	if (r == NULL)
		return false;
	out->online = db_int(r, 0, 0);
	out->total = db_int(r, 0, 1);
	db_copy(r, 0, 2, out->checked_at, sizeof(out->checked_at));
	PQclear(r);
	return true;
}

bool
sweep_refresh(struct app *app, deadline_t d, bool *done, struct err *e)
{
	PGresult *r = db_query(app->db, d, &stmt_now, NULL, e);
	char since[64];

	*done = false;
	if (r == NULL)
		return false;
	db_copy(r, 0, 0, since, sizeof(since));
	PQclear(r);
	pool_wake(app, d);
	while (!*done && clock_sleep(POLL_MS, d)) {
		r = db_query(app->db, d, &stmt_pending, (const char *[]){since}, e);
		if (r == NULL)
			return false;
		*done = !db_bool(r, 0, 0);
		PQclear(r);
	}
	return true;
}

static const char *
or_null(const char *text)
{
	return *text != '\0' ? text : NULL;
}

static json_t *
row_of(const struct instance *i)
{
	return json_pack("{s:s, s:s, s:b, s:s, s:s?, s:s?, s:s?}", "nome", i->name,
		"status", instance_status(i), "online", instance_is_online(i), "health",
		i->health, "reason", or_null(i->health_reason), "since",
		or_null(i->health_at), "checkedAt", or_null(i->looked_at));
}

json_t *
sweep_list(struct app *app, const char *cursor, int limit, deadline_t d,
	char next[INSTANCE_CURSOR_SIZE], struct err *e)
{
	const struct instance_filter filter = {.cursor = cursor, .limit = limit};
	struct instance_page page = {0};
	json_t *list = NULL;

	if (!instance_list(app, &filter, d, &page, e))
		goto out;
	list = json_array();
	for (size_t i = 0; i < page.n; i++)
		json_array_append_new(list, row_of(&page.rows[i]));
	memcpy(next, page.next, INSTANCE_CURSOR_SIZE);
	if (json_array_size(list) != page.n) {
		err_set(e, ERR_NOMEM, "out of memory");
		json_decref(list);
		list = NULL;
	}
out:
	instance_page_free(&page);
	return list;
}
