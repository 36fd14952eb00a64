#include "lib/qr-run.h"

#include <string.h>

#include "lib/log.h"
#include "lib/seal.h"
#include "lib/server.h"

#define TABLE "pairing_runs" /* and column: the place a value is sealed for */
#define COLUMN "sealed"
#define LEAST "8 seconds"  /* a QR for less is not worth showing */
#define LEASE "50 seconds" /* longer than GOWA's own limit of a request, 45 s */
#define LOOK_MS 200        /* while somebody else asks */

static const struct db_stmt stmt_turn = {"pairing_turn",
	"SELECT sealed, yours FROM pairing_turn($1, $2, $3::boolean, '" LEAST
	"', '" LEASE "')",
	3};

static const struct db_stmt stmt_keep = {"pairing_keep",
	"SELECT pairing_keep($1, $2, $3, $4::bigint * interval '1 millisecond')", 4};

enum turn { TURN_KEPT, TURN_OURS, TURN_OTHERS, TURN_FAILED };

/* Whose turn it is; TURN_KEPT: *value is the QR. */
static enum turn
take_turn(struct app *app, const struct server *s, const char *name, bool anew,
	struct buf *value, deadline_t d, struct err *e)
{
	enum turn turn = TURN_OTHERS;
	PGresult *r = db_query(app->db, d, &stmt_turn,
		(const char *[]){s->id, name, anew ? "true" : "false"}, e);

	if (r == NULL)
		return TURN_FAILED;
	if (db_bool(r, 0, 1))
		turn = TURN_OURS;
	else if (db_text(r, 0, 0) != NULL)
		turn = unseal(app->seal, TABLE, name, COLUMN, db_text(r, 0, 0), value,
			       e)
			? TURN_KEPT
			: TURN_FAILED;
	PQclear(r);
	return turn;
}

/* Ends the turn, whatever the caller's deadline. sealed: "" if there is no QR. What cannot
 * be kept is shown all the same; then the next one to ask ends this run. */
static void
end_turn(struct app *app, const struct server *s, const char *name, const char *sealed)
{
	char life[DB_PARAM_SIZE];
	struct err e = ERR_INIT;
	PGresult *r =
		db_query(app->db, deadline_in(app->config.db_timeout_ms), &stmt_keep,
			(const char *[]){s->id, name, *sealed != '\0' ? sealed : NULL,
				db_param_int(life, server_gateway(s)->qr_run_ms)},
			&e);

	if (r == NULL)
		log_write(LOG_WARN, "qr.kept", LOG_STR("instance", name),
			LOG_STR("error", e.text));
	PQclear(r);
}

static bool
ask(struct app *app, const struct server *s, const char *name, struct buf *value,
	deadline_t d, struct err *e)
{
	struct err ignored = ERR_INIT;
	struct buf sealed;
	bool ok;

	buf_init(&sealed, 8192);
	ok = server_gateway(s)->qr(app->http, s, name, value, d, e);
	if (ok)
		seal(app->seal, TABLE, name, COLUMN, buf_str(value), &sealed, &ignored);
	end_turn(app, s, name, buf_str(&sealed));
	buf_free(&sealed);
	return ok;
}

bool
qr_run(struct app *app, const struct server *s, const char *name, bool anew,
	struct buf *value, deadline_t d, struct err *e)
{
	if (server_gateway(s)->qr_run_ms == 0)
		return server_gateway(s)->qr(app->http, s, name, value, d, e);
	for (;;) {
		switch (take_turn(app, s, name, anew, value, d, e)) {
		case TURN_KEPT:
			return true;
		case TURN_OURS:
			return ask(app, s, name, value, d, e);
		case TURN_FAILED:
			return false;
		case TURN_OTHERS:
			break;
		}
		anew = false; /* the other's is the new one */
		if (!clock_sleep(LOOK_MS, d))
			return err_set(e, ERR_TIMEOUT, "somebody else asks for its QR");
	}
}

bool
qr_run_possible(const struct gateway *gw, const struct session *s)
{
	return s->state == SESSION_SCAN ||
		(gw->qr_run_ms > 0 && s->state == SESSION_STOPPED && *s->phone == '\0');
}
