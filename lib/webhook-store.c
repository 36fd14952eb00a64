/* What a gateway told us, stored once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/event.h"
#include "lib/hmac.h"
#include "lib/log.h"
#include "lib/responder.h"
#include "lib/server.h"
#include "lib/utf8.h"
#include "lib/webhook-int.h"

#define ID_MAX 250    /* bytes of an id worth its name */
#define ROW_BYTES 512 /* what a stored event takes beside its body, about */

#define STORE                                                                          \
	"webhook_store($1, $2, $3, $4, $5, $6,"                                        \
	" to_timestamp($7::bigint / 1000.0), $8::bigint, $9,"                          \
	" to_timestamp($10::bigint / 1000.0), $11, $12, $13::boolean, $14::json,"      \
	" $15::jsonb, $16)"

static const struct db_stmt stmt_store = {
	"webhook_store", "SELECT " STORE ", event_written()", STORE_PARAMS};

static const struct db_stmt stmt_store_own = {"webhook_store_own",
	"SELECT webhook_counted(" STORE ", $1, $17::int, $18::bigint * 1000000),"
	" event_written()",
	OWN_STORE_PARAMS};

static const struct db_stmt stmt_room = {
	"webhook_room", "SELECT webhook_room($1, $2::int, $3::bigint * 1000000)", 3};

/* Several in one transaction hold what each of them locks, so it is they who give way, and
 * that sooner than PostgreSQL looks for a deadlock (deadlock_timeout, 1 s). */
static const struct db_stmt stmt_store_several = {"webhook_store_several",
	"SELECT " STORE
	", event_written() FROM set_config('lock_timeout', '50ms', true)",
	STORE_PARAMS};

/* A gateway's time as a parameter; NULL for one that cannot be meant. */
static const char *
time_or_null(char room[DB_PARAM_SIZE], int64_t at_ms)
{
	return gateway_time_ok(at_ms) ? db_param_int(room, at_ms) : NULL;
}

/* Ids of an absurd length, or that are no text, count as none. */
static bool
is_usable_id(const char *id)
{
	return id != NULL && *id != '\0' && strlen(id) <= ID_MAX &&
		utf8_valid(id, strlen(id));
}

/* "event|id", "request|id" or "body|sha256". */
static bool
dedupe_key(const struct request *rq, const struct gateway_event *ev, struct buf *key)
{
	const char *request_id = request_header(rq, "X-Webhook-Request-Id");
	char hash[SHA256_HEX_SIZE];

	if (is_usable_id(ev->id))
		return buf_printf(key, "%s|%s", ev->event, ev->id);
	if (is_usable_id(request_id))
		return buf_printf(key, "request|%s", request_id);
	return sha256_hex(buf_str(&rq->body), rq->body.len, hash) &&
		buf_printf(key, "body|%s", hash);
}

/* The body without what nobody may keep into *text, to be freed; NULL: it is to be stored
 * as it came. */
static bool
redact(const struct gateway *gw, const json_t *body, char **text)
{
	json_t *copy;

	*text = NULL;
	if (gw->redact == NULL)
		return true;
	copy = json_deep_copy(body);
	if (copy != NULL) {
		gw->redact(copy);
		*text = json_dumps(copy, JSON_COMPACT);
	}
	json_decref(copy);
	return *text != NULL;
}

bool
delivery_prepare(struct app *app, struct delivery *d, struct err *e)
{
	const struct gateway_event *ev = &d->ev;
	const struct server *s = d->from.server;
	json_t *tell = event_of_gateway(ev);
	const char *request_id = request_header(d->rq, "X-Webhook-Request-Id");

	d->told = tell != NULL ? json_dumps(tell, JSON_COMPACT) : NULL;
	json_decref(tell);
	buf_init(&d->key, 400);
	if (!redact(server_gateway(s), d->body, &d->kept))
		return err_set(e, ERR_NOMEM, "out of memory");
	if (!dedupe_key(d->rq, ev, &d->key))
		return err_set(e, ERR_INTERNAL, "no key to store it once by");
	const char *params[OWN_STORE_PARAMS] = {s->id, buf_str(&d->key), ev->event,
		ev->id, is_usable_id(request_id) ? request_id : NULL, ev->session,
		time_or_null(d->at, ev->at_ms),
		ev->generation >= 0 ? db_param_int(d->generation, ev->generation)
				    : NULL,
		ev->status, time_or_null(d->status_at, ev->status_at_ms), ev->phone,
		ev->profile, ev->released ? "true" : "false",
		d->kept != NULL ? d->kept : buf_str(&d->rq->body), d->told,
		db_param_text(d->from.mark),
		db_param_int(d->bytes, (int64_t)d->rq->body.len + ROW_BYTES),
		db_param_int(d->day_mb, app->config.own_webhooks_mb)};
	memcpy(d->params, params, sizeof(params));
	return true;
}

void
delivery_free(struct delivery *d)
{
	PQclear(d->stored);
	buf_free(&d->key);
	free(d->kept);
	free(d->told);
	json_decref(d->body);
}

bool
delivery_store(struct app *app, struct delivery *d, struct err *e)
{
	const struct db_stmt *stmt =
		d->from.server->guarded ? &stmt_store_own : &stmt_store;

	d->stored = db_query(app->db, d->rq->deadline, stmt, d->params, e);
	return d->stored != NULL;
}

bool
delivery_room(struct app *app, const struct delivery *d, char seconds[DB_PARAM_SIZE],
	struct err *e)
{
	const char *params[] = {d->from.server->id, d->bytes, d->day_mb}, *text;
	PGresult *r;

	*seconds = '\0';
	if (!d->from.server->guarded)
		return true;
	r = db_query(app->db, d->rq->deadline, &stmt_room, params, e);
	text = r != NULL ? db_text(r, 0, 0) : NULL;
	if (text != NULL)
		snprintf(seconds, DB_PARAM_SIZE, "%s", text);
	PQclear(r);
	return r != NULL;
}

/* What locks nothing but its own key and its device's lane. An ack locks its message as well, and
 * what changes an instance locks that and what hangs on it: two transactions with several of
 * these would lock them in different orders. */
static bool
goes_together(const struct delivery *d)
{
	const struct gateway_event *ev = &d->ev;

	/* nor may what a user's own server brings make others' transactions fail */
	return ev->session != NULL && ev->status == NULL && !ev->released &&
		ev->kind != EVENT_ACK && !d->from.server->guarded;
}

static bool
comes_before(const struct delivery *a, const struct delivery *b)
{
	int order = strcmp(a->from.server->id, b->from.server->id);

	return order < 0 || (order == 0 && strcmp(a->ev.session, b->ev.session) < 0);
}

void
deliveries_store(struct app *app, struct delivery *const *d, size_t n)
{
	const char *const *params[RESPONDER_AT_ONCE];
	struct delivery *order[RESPONDER_AT_ONCE];
	PGresult *results[RESPONDER_AT_ONCE];
	struct err e = ERR_INIT;
	size_t m = 0, at;

	/* sorted, so that lanes are locked in the same order everywhere; those of one session
	 * stay as they came */
	for (size_t i = 0; i < n; i++) {
		if (!goes_together(d[i]))
			continue;
		for (at = m++; at > 0 && comes_before(d[i], order[at - 1]); at--)
			order[at] = order[at - 1];
		order[at] = d[i];
	}
	for (size_t i = 0; i < m; i++)
		params[i] = order[i]->params;
	if (m < 2)
		return;
	if (!db_query_all(app->db, order[0]->rq->deadline, &stmt_store_several, params,
		    m, results, &e)) {
		log_write(LOG_WARN, "webhook.together", LOG_STR("error", e.text),
			LOG_INT("events", (int64_t)m));
		return;
	}
	for (size_t i = 0; i < m; i++)
		order[i]->stored = results[i];
}
