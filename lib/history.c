#include "lib/history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/db.h"
#include "lib/log.h"

static const struct db_stmt stmt_take = {
	"history_take", "SELECT sample_take($1::int, $2::int)", 2};

static const struct db_stmt stmt_latency = {"history_latency",
	"UPDATE waha_servers SET latency_ms = $2::int WHERE id = $1::uuid", 2};

static const struct db_stmt stmt_server = {
	"history_server", "SELECT nome FROM waha_servers WHERE id = $1::uuid", 1};

/* The columns as the enums of history.h have them come after step, time and local time. */
#define STEPS                                                                          \
	"SELECT s.step, extract(epoch FROM s.at)::bigint,"                             \
	" to_char(s.at AT TIME ZONE i.tz, 'YYYY-MM-DD HH24:MI'), i.tz, "

static const struct db_stmt stmt_pool_steps = {"history_pool_steps",
	STEPS "target, low, free, free_min, making, recycling, assigned, online"
	      " FROM installation i CROSS JOIN sample_steps($1) s"
	      " LEFT JOIN pool_samples p USING (step, at) ORDER BY s.at",
	1};

static const struct db_stmt stmt_server_steps = {"history_server_steps",
	STEPS
	"up, latency_ms, latency_max, sessions"
	" FROM installation i CROSS JOIN sample_steps($1) s"
	" LEFT JOIN server_samples p ON p.server_id = $2::uuid AND p.step = s.step"
	" AND p.at = s.at ORDER BY s.at",
	2};

static const struct db_stmt stmt_ticks = {"history_ticks",
	"SELECT extract(epoch FROM at)::bigint, extract(hour FROM local)::int,"
	" extract(minute FROM local)::int, extract(day FROM local)::int,"
	" extract(dow FROM local)::int"
	" FROM sample_ticks($1, to_timestamp($2::bigint), to_timestamp($3::bigint))",
	3};

enum { STEP, AT, LOCAL, ZONE, FIRST_VALUE };

static const char *const ranges[] = {"hour", "day", "week"};

bool
history_range_of(const char *word, enum history_range *out)
{
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (strcmp(ranges[i], word) == 0) {
			*out = (enum history_range)i;
			return true;
		}
	return false;
}

const char *
history_range_word(enum history_range r)
{
	return ranges[r];
}

/* --- Taking --- */

bool
history_sample(struct app *app, deadline_t d, bool *taken, struct err *e)
{
	char target[DB_PARAM_SIZE], low[DB_PARAM_SIZE];
	PGresult *r = db_query(app->db, d, &stmt_take,
		(const char *[]){db_param_int(target, app->config.pool_target),
			db_param_int(low, app->config.pool_low)},
		e);
	bool ok = r != NULL;

	*taken = ok && db_text(r, 0, 0) != NULL;
	PQclear(r);
	return ok;
}

void
history_latency(struct app *app, const char *server_id, int64_t ms)
{
	struct err e = ERR_INIT;
	char room[DB_PARAM_SIZE];
	PGresult *r = db_query(app->db, deadline_in(app->config.db_timeout_ms),
		&stmt_latency, (const char *[]){server_id, db_param_int(room, ms)}, &e);

	if (r == NULL)
		log_write(LOG_WARN, "history.latency", LOG_STR("server", server_id),
			LOG_STR("error", e.text));
	PQclear(r);
}

/* --- Reading --- */

static double
number_at(const PGresult *r, int row, int column)
{
	const char *text = db_text(r, row, column);

	return text != NULL ? strtod(text, NULL) : NAN;
}

static void
read_steps(const PGresult *r, int columns, struct history *h)
{
	int n = PQntuples(r);

	if (n > HISTORY_POINTS_MAX)
		n = HISTORY_POINTS_MAX;
	for (int i = 0; i < n; i++) {
		h->at[i] = db_int(r, i, AT);
		for (int c = 0; c < columns; c++)
			h->values[c][i] = number_at(r, i, FIRST_VALUE + c);
	}
	h->n = (size_t)n;
	if (n == 0)
		return;
	h->step = (int)db_int(r, 0, STEP);
	db_copy(r, 0, ZONE, h->zone, sizeof(h->zone));
	db_copy(r, 0, LOCAL, h->begins, sizeof(h->begins));
	db_copy(r, n - 1, LOCAL, h->ends, sizeof(h->ends));
}

static bool
read_ticks(struct app *app, deadline_t d, struct history *h, struct err *e)
{
	char from[DB_PARAM_SIZE], to[DB_PARAM_SIZE];
	PGresult *r;

	if (h->n == 0)
		return err_set(e, ERR_INTERNAL, "a range without steps");
	r = db_query(app->db, d, &stmt_ticks,
		(const char *[]){ranges[h->range], db_param_int(from, h->at[0]),
			db_param_int(to, h->at[h->n - 1] + h->step)},
		e);
	for (int i = 0; r != NULL && i < PQntuples(r) && i < HISTORY_TICKS_MAX; i++) {
		h->ticks[i].at = db_int(r, i, 0);
		h->ticks[i].hour = (int)db_int(r, i, 1);
		h->ticks[i].minute = (int)db_int(r, i, 2);
		h->ticks[i].day = (int)db_int(r, i, 3);
		h->ticks[i].weekday = (int)db_int(r, i, 4);
		h->nticks++;
	}
	PQclear(r);
	return r != NULL;
}

static bool
read_range(struct app *app, const struct db_stmt *s, const char *server, int columns,
	deadline_t d, struct history *h, struct err *e)
{
	PGresult *r =
		db_query(app->db, d, s, (const char *[]){ranges[h->range], server}, e);

	if (r == NULL)
		return false;
	read_steps(r, columns, h);
	PQclear(r);
	return read_ticks(app, d, h, e);
}

bool
history_pool(struct app *app, enum history_range range, deadline_t d,
	struct history *out, struct err *e)
{
	*out = (struct history){.range = range};
	return read_range(app, &stmt_pool_steps, NULL, POOL_COLUMNS, d, out, e);
}

bool
history_server(struct app *app, const char *server_id, enum history_range range,
	deadline_t d, struct history *out, struct err *e)
{
	PGresult *r =
		db_query(app->db, d, &stmt_server, (const char *[]){server_id}, e);
	bool found = r != NULL && PQntuples(r) > 0;

	*out = (struct history){.range = range};
	if (found)
		db_copy(r, 0, 0, out->name, sizeof(out->name));
	else if (r != NULL)
		err_set(e, ERR_NOT_FOUND, "there is no such server");
	PQclear(r);
	return found &&
		read_range(
			app, &stmt_server_steps, server_id, SERVER_COLUMNS, d, out, e);
}
