#include "lib/webhook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/db.h"
#include "lib/event.h"
#include "lib/hmac.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/pool.h"
#include "lib/server-cache.h"
#include "lib/server.h"
#include "lib/utf8.h"
#include "lib/uuid.h"

#define Y2001_MS 978307200000
#define ID_MAX 250      /* bytes of an id worth its name */
#define AHEAD_MS 300000 /* that a gateway's clock may be ahead of ours */

#define ROW_BYTES 512 /* what a stored event takes beside its body, about */

static const struct db_stmt stmt_admit = {
	"webhook_admit", "SELECT webhook_admit($1, $2::int, $3::bigint * 1000000)", 3};

static const struct db_stmt stmt_store = {"webhook_store",
	"SELECT webhook_store($1, $2, $3, $4, $5, $6,"
	" to_timestamp($7::bigint / 1000.0), $8::bigint, $9, to_timestamp($10::bigint "
	"/ 1000.0),"
	" $11, $12, $13::boolean, $14::json, $15::jsonb, $16), event_written()",
	16};

/* A server, and with which of its secrets a request was signed. */
struct sender {
	const struct server *server;
	const char *mark; /* of that secret; "" if it stands in clear */
};

/* A time a gateway may mean, as a parameter: after 2001 and not more than some minutes
 * ahead of us. Anything else is taken for "it does not tell" (NULL), so that a lying
 * clock cannot freeze an instance's status. */
static const char *
time_or_null(char room[DB_PARAM_SIZE], int64_t at_ms)
{
	bool sane = at_ms > Y2001_MS && at_ms < clock_wall_ms() + AHEAD_MS;

	return sane ? db_param_int(room, at_ms) : NULL;
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

static PGresult *
store(struct app *app, const struct request *rq, const struct sender *from,
	const json_t *body, const struct gateway_event *ev, struct err *e)
{
	const struct server *s = from->server;
	char at[DB_PARAM_SIZE], generation[DB_PARAM_SIZE], status_at[DB_PARAM_SIZE];
	json_t *tell = event_of_gateway(ev);
	char *told = tell != NULL ? json_dumps(tell, JSON_COMPACT) : NULL;
	char *kept = NULL;
	struct buf key;
	PGresult *r = NULL;

	buf_init(&key, 400);
	if (!redact(server_gateway(s), body, &kept)) {
		err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	if (!dedupe_key(rq, ev, &key)) {
		err_set(e, ERR_INTERNAL, "no key to store it once by");
		goto out;
	}
	const char *request_id = request_header(rq, "X-Webhook-Request-Id");
	const char *params[] = {s->id, buf_str(&key), ev->event, ev->id,
		is_usable_id(request_id) ? request_id : NULL, ev->session,
		time_or_null(at, ev->at_ms),
		ev->generation >= 0 ? db_param_int(generation, ev->generation) : NULL,
		ev->status, time_or_null(status_at, ev->status_at_ms), ev->phone,
		ev->profile, ev->released ? "true" : "false",
		kept != NULL ? kept : buf_str(&rq->body), told,
		db_param_text(from->mark)};
	r = db_query(app->db, rq->deadline, &stmt_store, params, e);
out:
	buf_free(&key);
	free(kept);
	free(told);
	json_decref(tell);
	return r;
}

/* The helper has something to do after a release, or when a phone may be gone. */
static bool
wants_helper(const struct gateway_event *ev)
{
	return ev->released ||
		(ev->status != NULL && strcmp(ev->status, "FAILED") == 0);
}

/* A user knows the secrets of his own servers: what these bring is bounded. False: rs is the
 * refusal. */
static bool
has_room(struct app *app, const struct request *rq, const struct server *s,
	struct response *rs)
{
	char bytes[DB_PARAM_SIZE], day[DB_PARAM_SIZE];
	struct err e = ERR_INIT;
	const char *seconds;
	PGresult *r;
	bool ok;

	if (!s->guarded)
		return true;
	r = db_query(app->db, rq->deadline, &stmt_admit,
		(const char *[]){s->id,
			db_param_int(bytes, (int64_t)rq->body.len + ROW_BYTES),
			db_param_int(day, app->config.own_webhooks_mb)},
		&e);
	if (r == NULL) {
		response_error(rs, rq, &e);
		return false;
	}
	seconds = db_text(r, 0, 0);
	ok = seconds == NULL;
	if (!ok) {
		response_problem(rs, rq, PROBLEM_WEBHOOKS_FULL, NULL);
		response_header(rs, "Retry-After", seconds);
	}
	PQclear(r);
	return ok;
}

/* False, with nothing answered: the secret that signed it is the server's no more. */
static bool
accept_event(struct app *app, const struct request *rq, const struct sender *from,
	const json_t *body, const struct gateway_event *ev, struct response *rs)
{
	struct err e = ERR_INIT;
	PGresult *r = store(app, rq, from, body, ev, &e);
	const char *outcome;
	bool verified;

	if (r == NULL) {
		/* a conflict inside the database is no fault of the gateway: it tries again */
		if (e.code == ERR_CONFLICT)
			e.code = ERR_UNAVAILABLE;
		response_error(rs, rq, &e);
		return true;
	}
	outcome = db_text(r, 0, 0);
	verified = strcmp(outcome, "unverified") != 0;
	log_write(LOG_DEBUG, "webhook", LOG_STR("gatewayEvent", ev->event),
		LOG_STR("outcome", outcome), LOG_STR("server", from->server->id));
	if (db_bool(r, 0, 1) || (strcmp(outcome, "applied") == 0 && wants_helper(ev)))
		pool_wake(app, rq->deadline);
	if (verified)
		response_json(rs, 200,
			json_pack("{s:b, s:b}", "success", 1, "duplicate",
				strcmp(outcome, "duplicate") == 0));
	PQclear(r);
	return verified;
}

static void
refuse(struct app *app, const struct request *rq, struct response *rs)
{
	metrics_refused(app);
	response_problem(rs, rq, PROBLEM_BAD_SIGNATURE, NULL);
}

/* Signed with the server's secret, or with the one before, which a session has until it is
 * told of the change. */
static bool
is_signed(const struct server *s, const struct request *rq, struct sender *by)
{
	const struct gateway *gw = server_gateway(s);
	struct server before = *s;

	*by = (struct sender){s, s->present_mark};
	if (gw->signature_ok(s, rq))
		return true;
	by->mark = s->former_mark;
	before.webhook_secret = s->former_secret;
	return s->former_secret != NULL && *s->former_secret != '\0' &&
		gw->signature_ok(&before, rq);
}

/* Parses what is known to come from there, and stores it. False as accept_event. */
static bool
receive_from(struct app *app, const struct request *rq, const struct sender *from,
	struct response *rs)
{
	const struct gateway *gw = server_gateway(from->server);
	struct err e = ERR_INIT;
	struct gateway_event ev;
	json_t *body = request_json(rq, false, &e);
	bool verified = true;

	if (body == NULL || !gw->parse_webhook(body, &ev, &e))
		response_error(rs, rq, &e);
	else if (has_room(app, rq, from->server, rs))
		verified = accept_event(app, rq, from, body, &ev, rs);
	json_decref(body);
	return verified;
}

/* A secret that changed between two looks at it: the gateway tries again. */
static void
refuse_for_now(const struct request *rq, struct response *rs)
{
	response_problem(rs, rq, PROBLEM_UNAVAILABLE, NULL);
}

static bool
claims(const struct gateway *gw, const struct request *rq)
{
	return gw->claims == NULL || gw->claims(rq);
}

static bool
anybody_claims(const struct request *rq)
{
	const struct gateway *gw;

	for (size_t i = 0; (gw = gateway_at(i)) != NULL; i++)
		if (claims(gw, rq))
			return true;
	return false;
}

/* There is no such server, or its row could not be read. An unknown server and a bad
 * signature look alike: ids are not for guessing. */
static void
fail_at(struct app *app, const struct request *rq, struct err *e, struct response *rs)
{
	if (e->code == ERR_UNAUTHORIZED)
		e->code = ERR_CONFIG; /* a secret of ours that cannot be opened */
	if (e->code == ERR_NOT_FOUND)
		refuse(app, rq, rs);
	else
		response_error(rs, rq, e);
}

/* With the server's row as it is remembered, if that verifies it, else as it is now. True
 * once the request is answered. */
static bool
receive_at_once(struct app *app, const struct request *rq, const char *server_id,
	bool anew, struct response *rs)
{
	struct err e = ERR_INIT;
	struct server_entry *entry =
		server_cache_get(app, server_id, anew, rq->deadline, &e);
	struct sender from;
	bool answered = true;

	if (entry == NULL)
		fail_at(app, rq, &e, rs);
	else if (is_signed(server_of_entry(entry), rq, &from))
		answered = receive_from(app, rq, &from, rs);
	else if (anew)
		refuse(app, rq, rs);
	else
		answered = false;
	server_cache_put(app->servers, entry);
	return answered;
}

static void
receive_at(struct app *app, const struct request *rq, const char *server_id,
	struct response *rs)
{
	if (!uuid_valid(server_id))
		refuse(app, rq, rs);
	else if (!receive_at_once(app, rq, server_id, false, rs) &&
		!receive_at_once(app, rq, server_id, true, rs))
		refuse_for_now(rq, rs);
}

/* The session a body names, copied; "" if it names none. What is read here is not
 * verified yet: it only serves to find the key to verify with. */
static void
peek_session(const struct request *rq, char *out, size_t size)
{
	json_t *body = request_json(rq, false, NULL);
	const struct gateway *gw;
	struct gateway_event ev;

	*out = '\0';
	for (size_t i = 0; body != NULL && (gw = gateway_at(i)) != NULL; i++)
		if (*out == '\0' && claims(gw, rq) &&
			gw->parse_webhook(body, &ev, NULL) && ev.session != NULL)
			snprintf(out, size, "%s", ev.session);
	json_decref(body);
}

/* Stores it if one of the candidates signed it. True if the request is answered. */
static bool
receive_from_any(struct app *app, const struct request *rq, const char *session,
	struct response *rs)
{
	struct server *servers[SERVERS_MAX];
	struct sender from;
	bool found = false;
	struct err e = ERR_INIT;
	size_t n;

	if (!servers_of_session(app, session, servers, &n, rq->deadline, &e)) {
		response_error(rs, rq, &e);
		return true;
	}
	for (size_t i = 0; i < n && !found; i++)
		found = is_signed(servers[i], rq, &from);
	if (found && !receive_from(app, rq, &from, rs))
		refuse_for_now(rq, rs);
	for (size_t i = 0; i < n; i++)
		server_free(servers[i]);
	return found;
}

/* The platform's keys first, on the raw bytes; only if none fits is the body parsed, for the
 * session's name, which leads to a user's own server. */
static void
receive_anywhere(struct app *app, const struct request *rq, struct response *rs)
{
	char session[256];

	if (receive_from_any(app, rq, "", rs))
		return;
	peek_session(rq, session, sizeof(session));
	if (*session == '\0' || !receive_from_any(app, rq, session, rs))
		refuse(app, rq, rs);
}

void
webhook_receive(struct app *app, const struct request *rq, const char *server_id,
	struct response *rs)
{
	/* unsigned: nothing is parsed and no key is looked for */
	if (!anybody_claims(rq))
		refuse(app, rq, rs);
	else if (server_id != NULL)
		receive_at(app, rq, server_id, rs);
	else
		receive_anywhere(app, rq, rs);
}
