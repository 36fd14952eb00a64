#include "lib/send.h"

#include <stdio.h>
#include <string.h>

#include "lib/db.h"
#include "lib/log.h"
#include "lib/server.h"
#include "lib/uuid.h"

/* longer than the longest send: only a dead sender's message expires */
#define LEASE "180 seconds"

/* A session that flaps is back by itself within two minutes (docs/health.md). */
#define RECONNECTS_S 120

static const struct db_stmt stmt_begin = {"message_begin",
	"SELECT outcome, message_id, name, server_id, device_id, state, reason,"
	" ceil(extract(epoch FROM retry_at - clock_timestamp())),"
	" hour_limit, hour_used,"
	" ceil(extract(epoch FROM hour_end - clock_timestamp())),"
	" day_limit, day_used, ceil(extract(epoch FROM day_end - clock_timestamp()))"
	" FROM message_begin($1, $2, $3::boolean, $4, $5, $6, $7, '" LEASE "',"
	" $8::int * interval '1 hour')",
	8};

static const struct db_stmt stmt_end = {
	"message_end", "SELECT message_end($1, $2, $3, $4)", 4};

static const struct db_stmt stmt_get = {"message_get",
	"SELECT id, device_id, instance, state, gateway_id,"
	" rfc3339(created_at), rfc3339(updated_at)"
	" FROM messages WHERE id = $1 AND (user_id = $2 OR $3::boolean)",
	3};

enum {
	OUTCOME,
	MESSAGE_ID,
	NAME,
	SERVER_ID,
	DEVICE_ID,
	STATE,
	REASON,
	RETRY_S,
	HOUR_LIMIT,
	HOUR_USED,
	HOUR_S,
	DAY_LIMIT,
	DAY_USED,
	DAY_S
};

static struct quota
quota_of(const PGresult *r, int limit, int used, int resets)
{
	return (struct quota){.limit = (int)db_int(r, 0, limit),
		.used = (int)db_int(r, 0, used),
		.resets_s = db_int(r, 0, resets)};
}

static struct send_refusal
unavailable(const char *reason, int64_t retry_s)
{
	static const struct {
		const char *reason;
		enum problem problem;
		enum message detail;
		int retry_after_s; /* where the database knows no moment */
	} reasons[] = {
		{"maintenance", PROBLEM_MAINTENANCE, MSG_IN_MAINTENANCE, 0},
		{"none", PROBLEM_NO_INSTANCE, MSG_NO_DEVICE_YET, 0},
		{"disconnected", PROBLEM_NO_INSTANCE, MSG_ALL_DISCONNECTED,
			RECONNECTS_S},
		{"hour", PROBLEM_QUOTA, MSG_HOUR_USED, 0},
		{"day", PROBLEM_QUOTA, MSG_DAY_USED, 0},
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (strcmp(reason, reasons[i].reason) == 0)
			return (struct send_refusal){.problem = reasons[i].problem,
				.detail = reasons[i].detail,
				.retry_after_s = retry_s > 0
					? (int)retry_s
					: reasons[i].retry_after_s};
	return (struct send_refusal){.problem = PROBLEM_INTERNAL, .detail = MSG__MAX};
}

/* What the statement answered. True: there is something to send, or something was sent
 * under the same key. */
static bool
read_start(const PGresult *r, struct send_result *out, struct send_refusal *why)
{
	const char *outcome = db_text(r, 0, OUTCOME);

	db_copy(r, 0, MESSAGE_ID, out->message_id, sizeof(out->message_id));
	db_copy(r, 0, NAME, out->instance, sizeof(out->instance));
	db_copy(r, 0, DEVICE_ID, out->device_id, sizeof(out->device_id));
	out->hour = quota_of(r, HOUR_LIMIT, HOUR_USED, HOUR_S);
	out->day = quota_of(r, DAY_LIMIT, DAY_USED, DAY_S);
	if (strcmp(outcome, "ok") == 0)
		return true;
	if (strcmp(outcome, "repeat") == 0) {
		out->repeated = true;
		out->state = strcmp(db_text(r, 0, STATE), "unknown") == 0 ? SEND_UNKNOWN
									  : SEND_SENT;
		return true;
	}
	*why = (struct send_refusal){
		.problem = PROBLEM_DEVICE_NOT_FOUND, .detail = MSG__MAX};
	if (strcmp(outcome, "which") == 0)
		*why = (struct send_refusal){.problem = PROBLEM_INVALID,
			.detail = MSG_WHICH_DEVICE,
			.pointer = "/deviceId"};
	else if (strcmp(outcome, "no-client") == 0)
		*why = (struct send_refusal){.problem = PROBLEM_INVALID,
			.detail = MSG_WANT_CLIENT,
			.pointer = "/clienteId"};
	else if (strcmp(outcome, "unavailable") == 0)
		*why = unavailable(db_text(r, 0, REASON), db_int(r, 0, RETRY_S));
	return false;
}

/* True if the gateway took it. Otherwise *unknown tells whether it may have gone out all the same. */
static bool
ask_gateway(struct app *app, const char *server_id, const struct send_wish *wish,
	deadline_t d, struct send_result *out, bool *unknown, struct err *e)
{
	const struct text_message text = {.chat = wish->chat, .text = wish->text};
	struct server *s = server_load(app, server_id, d, e);
	struct sent sent = {0};
	bool ok = s != NULL &&
		server_gateway(s)->send_text(
			app->http, s, out->instance, &text, &sent, d, e);

	*unknown = sent.unknown;
	snprintf(out->gateway_id, sizeof(out->gateway_id), "%s", sent.id);
	server_free(s);
	return ok;
}

/* Writes down what became of it. A failure is logged: the message then expires as unknown. */
static void
decide(struct app *app, const struct send_result *r, const char *state,
	const struct err *why)
{
	struct err e = ERR_INIT;
	PGresult *done = db_query(app->db, deadline_in(app->config.db_timeout_ms),
		&stmt_end,
		(const char *[]){r->message_id, state, db_param_text(r->gateway_id),
			err_isset(why) ? err_name(why->code) : NULL},
		&e);

	if (done == NULL)
		log_write(LOG_WARN, "send.undecided", LOG_STR("message", r->message_id),
			LOG_STR("state", state), LOG_STR("error", e.text));
	PQclear(done);
}

static bool
failed(struct app *app, struct send_result *out, struct send_refusal *why,
	const struct err *e)
{
	decide(app, out, "failed", e);
	*why = (struct send_refusal){.problem = PROBLEM_GATEWAY, .detail = MSG__MAX};
	if (e->code == ERR_TIMEOUT)
		why->problem = PROBLEM_GATEWAY_SLOW;
	return false;
}

bool
send_text(struct app *app, const struct user *u, const struct send_wish *wish,
	deadline_t d, struct send_result *out, struct send_refusal *why, struct err *e)
{
	char server_id[37], keys[DB_PARAM_SIZE];
	bool sent, unknown;
	PGresult *r = db_query(app->db, d, &stmt_begin,
		(const char *[]){u->id, u->email, u->admin ? "true" : "false",
			wish->device, wish->client, wish->strategy, wish->key,
			db_param_int(keys, app->config.idempotency_ttl_h)},
		e);

	*out = (struct send_result){0};
	*why = (struct send_refusal){
		.problem = PROBLEM_UNAVAILABLE, .detail = MSG__MAX};
	if (r == NULL) {
		if (e->code == ERR_UNAUTHORIZED)
			why->problem = PROBLEM_UNAUTHORIZED;
		return false;
	}
	sent = read_start(r, out, why);
	db_copy(r, 0, SERVER_ID, server_id, sizeof(server_id));
	PQclear(r);
	if (!sent || out->repeated)
		return sent;
	if (ask_gateway(app, server_id, wish, d, out, &unknown, e)) {
		decide(app, out, "sent", NULL);
		return true;
	}
	if (!unknown)
		return failed(app, out, why, e);
	out->state = SEND_UNKNOWN;
	decide(app, out, "unknown", e);
	log_write(LOG_WARN, "send.unknown", LOG_STR("message", out->message_id),
		LOG_STR("kind", err_name(e->code)), LOG_STR("error", e->text));
	err_clear(e);
	return true;
}

static json_t *
json_of_row(const PGresult *r)
{
	return json_pack("{s:b, s:s, s:s?, s:s, s:s, s:s?, s:s, s:s}", "success", 1,
		"messageId", db_text(r, 0, 0), "deviceId", db_text(r, 0, 1),
		"instanceName", db_text(r, 0, 2), "status", db_text(r, 0, 3),
		"gatewayId", db_text(r, 0, 4), "createdAt", db_text(r, 0, 5),
		"updatedAt", db_text(r, 0, 6));
}

json_t *
message_get(struct app *app, const struct user *u, const char *id, deadline_t d,
	struct err *e)
{
	PGresult *r = NULL;
	json_t *o = NULL;

	if (uuid_valid(id))
		r = db_query(app->db, d, &stmt_get,
			(const char *[]){id, u->id, u->admin ? "true" : "false"}, e);
	if (!uuid_valid(id) || (r != NULL && PQntuples(r) == 0)) {
		err_set(e, ERR_NOT_FOUND, "no such message");
	} else if (r != NULL) {
		o = json_of_row(r);
		if (o == NULL)
			err_set(e, ERR_NOMEM, "out of memory");
	}
	PQclear(r);
	return o;
}
