#include "lib/qr-life.h"

#include "lib/db.h"
#include "lib/server.h"

/* an event so much later than the first QR tells of another one */
#define SAME_MS 10000

/* A kept QR's time; how long the session shows QRs; how long ago its gateway told of the last one. */
static const struct db_stmt stmt_life = {"qr_life",
	"SELECT (SELECT (extract(epoch FROM r.good_until - t.now) * 1000)::bigint"
	" FROM pairing_runs r WHERE r.server_id = $1 AND r.name = $2"
	" AND r.good_until > t.now),"
	" (extract(epoch FROM t.now - i.status_since) * 1000)::bigint,"
	" (extract(epoch FROM t.now - i.status_at) * 1000)::bigint"
	" FROM (SELECT clock_timestamp() AS now) t LEFT JOIN instances i"
	" ON i.server_id = $1"
	" AND i.name = $2 AND i.status = 'SCAN_QR_CODE'",
	2};

int64_t
qr_life_left(const struct gateway *gw, int64_t shown_ms, int64_t told_ms)
{
	bool first = told_ms > shown_ms - SAME_MS;
	int64_t left = (first ? gw->qr_first_ms : gw->qr_next_ms) - told_ms;
	int64_t over = shown_ms - gw->qr_first_ms;

	if (gw->qr_next_ms == 0 || shown_ms < 0)
		return 0;
	if (told_ms >= 0 && left > 0)
		return left;
	return over < 0 ? -over : gw->qr_next_ms - over % gw->qr_next_ms;
}

int64_t
qr_life(struct app *app, const struct server *s, const char *name, deadline_t d)
{
	const struct gateway *gw = server_gateway(s);
	PGresult *r =
		db_query(app->db, d, &stmt_life, (const char *[]){s->id, name}, NULL);
	int64_t left = 0;

	if (r == NULL)
		return 0;
	if (gw->qr_run_ms > 0)
		left = db_int(r, 0, 0);
	else if (db_text(r, 0, 1) != NULL)
		left = qr_life_left(gw, db_int(r, 0, 1),
			db_text(r, 0, 2) != NULL ? db_int(r, 0, 2) : -1);
	PQclear(r);
	return left;
}

void
qr_life_add(json_t *answer, int64_t left_ms)
{
	if (left_ms > 0)
		json_object_set_new(answer, "expiresIn",
			json_integer(left_ms < 1000 ? 1 : left_ms / 1000));
}
