#include "lib/metrics.h"

#include <string.h>
#include <unistd.h>

#include "lib/db.h"
#include "lib/log.h"
#include "lib/metrics-int.h"

#define FLUSH_EVERY_MS 1000
#define FLUSH_MS 1000 /* that writing refusals down may take */
#define TASKS_MAX 200 /* bytes of the tasks' names together */

static const struct db_stmt stmt_look = {
	"metrics_look", "SELECT count_look($1::boolean, $2::bigint)", 2};

static const struct db_stmt stmt_refused = {
	"metrics_refused", "SELECT count_up('webhooks', 'refused', $1::bigint)", 1};

static const struct db_stmt stmt_ran = {"metrics_ran",
	"SELECT helper_ran($1, string_to_array($2, ',')), counters_fold()", 2};

void
metrics_look(struct app *app, bool ok, int64_t ms)
{
	struct err e = ERR_INIT;
	char room[DB_PARAM_SIZE];
	PGresult *r = db_query(app->db, deadline_in(app->config.db_timeout_ms),
		&stmt_look,
		(const char *[]){ok ? "true" : "false", db_param_int(room, ms)}, &e);

	if (r == NULL)
		log_write(LOG_WARN, "metrics.look", LOG_STR("error", e.text));
	PQclear(r);
}

void
metrics_refused(struct app *app)
{
	int_least64_t now = clock_ms(), due = atomic_load(&app->refused_due);

	atomic_fetch_add(&app->refused, 1);
	/* one thread of many writes; the others go on */
	if (now >= due &&
		atomic_compare_exchange_strong(
			&app->refused_due, &due, now + FLUSH_EVERY_MS))
		metrics_flush(app);
}

void
metrics_flush(struct app *app)
{
	int_least64_t n = atomic_exchange(&app->refused, 0);
	struct err e = ERR_INIT;
	char room[DB_PARAM_SIZE];
	PGresult *r;

	if (n == 0 || app->db == NULL)
		return;
	r = db_query(app->db, deadline_in(FLUSH_MS), &stmt_refused,
		(const char *[]){db_param_int(room, n)}, &e);
	/* kept for the next time, unless it may have been written */
	if (r == NULL && e.code == ERR_UNAVAILABLE)
		atomic_fetch_add(&app->refused, n);
	PQclear(r);
}

bool
metrics_helper_ran(struct app *app, const char *const *tasks, size_t n, deadline_t d,
	struct err *e)
{
	char host[256] = "";
	struct buf list;
	PGresult *r = NULL;

	buf_init(&list, TASKS_MAX);
	for (size_t i = 0; i < n; i++)
		buf_printf(&list, "%s%s", i > 0 ? "," : "", tasks[i]);
	if (list.failed || gethostname(host, sizeof(host) - 1) != 0)
		err_set(e, ERR_INTERNAL, "no name of this host, or too many tasks");
	else
		r = db_query(app->db, d, &stmt_ran,
			(const char *[]){host, buf_str(&list)}, e);
	PQclear(r);
	buf_free(&list);
	return r != NULL;
}
