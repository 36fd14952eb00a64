/*
 * Where events go: PUT, GET, DELETE of a device's webhook (/device/{id}/webhook) or the
 * user's default (/api/webhook); beneath each a test, a new secret, and the deliveries.
 */
#include <string.h>

#include "lib/db.h"
#include "lib/event.h"
#include "lib/http.h"
#include "lib/pool.h"
#include "lib/responder.h"
#include "lib/subscription.h"
#include "lib/uuid.h"

#define PAGE 50 /* rows, unless ?limit= says another number */

/* What a request is about, found before any action. */
struct ask {
	struct user user;
	struct subscription sub;
	const char *event_id; /* of the path, or NULL */
};

typedef void
ask_run(struct app *app, struct request *rq, struct ask *ask, struct response *rs);

/* Finds whose webhook the path means and runs the action. must_exist: 404 if none is
 * registered. */
static void
with_webhook(struct app *app, struct request *rq, struct response *rs, bool must_exist,
	ask_run *run)
{
	bool of_device = strncmp(rq->path, "/device/", 8) == 0;
	const char *device = of_device ? rq->args[0] : NULL;
	struct ask ask = {.event_id = rq->args[of_device ? 1 : 0]};
	struct err e = ERR_INIT;

	if (!auth_user(app, rq, &ask.user, rs))
		return;
	if (device != NULL && !uuid_valid(device))
		response_problem(rs, rq, PROBLEM_DEVICE_NOT_FOUND, NULL);
	else if (!subscription_find(app, &ask.user, device, rq->deadline, &ask.sub, &e))
		response_error(rs, rq, &e);
	else if (!ask.sub.known)
		response_problem(rs, rq, PROBLEM_DEVICE_NOT_FOUND, NULL);
	else if (must_exist && *ask.sub.id == '\0')
		response_problem(rs, rq, PROBLEM_NOT_FOUND, NULL);
	else
		run(app, rq, &ask, rs);
	subscription_free(&ask.sub);
}

/* --- The webhook --- */

static void
show(struct app *app, struct request *rq, struct ask *ask, struct response *rs)
{
	(void)app;
	(void)rq;
	response_json(rs, 200,
		json_pack("{s:b, s:O}", "success", 1, "webhook", ask->sub.shown));
}

static void
get_webhook(struct app *app, struct request *rq, struct response *rs)
{
	with_webhook(app, rq, rs, true, show);
}

/* The body's filter: absent or null is all, else a list of known types. */
static bool
events_ok(const json_t *events)
{
	size_t i;
	json_t *type;

	if (events == NULL || json_is_null(events))
		return true;
	if (!json_is_array(events) || json_array_size(events) == 0 ||
		json_array_size(events) > 32)
		return false;
	json_array_foreach((json_t *)events, i, type) {
		if (!event_type_valid(json_string_value(type)))
			return false;
	}
	return true;
}

/* Answers with what is registered now; the secret only if it is new. */
static void
answer_put(struct app *app, struct request *rq, struct ask *ask, const char *secret,
	struct response *rs)
{
	struct err e = ERR_INIT;
	struct subscription now;
	json_t *o;

	if (!subscription_find(app, &ask->user, db_param_text(ask->sub.device_id),
		    rq->deadline, &now, &e)) {
		response_error(rs, rq, &e);
	} else if (now.shown == NULL) { /* deleted meanwhile */
		response_problem(rs, rq, PROBLEM_CONFLICT, NULL);
	} else {
		o = json_pack("{s:b, s:O}", "success", 1, "webhook", now.shown);
		if (*secret != '\0')
			json_object_set_new(o, "secret", json_string(secret));
		response_json(rs, *secret != '\0' ? 201 : 200, o);
	}
	subscription_free(&now);
}

static void
put_body(struct app *app, struct request *rq, struct ask *ask, const json_t *body,
	struct response *rs)
{
	const char *url = json_string_value(json_object_get(body, "url"));
	const json_t *events = json_object_get(body, "events");
	char secret[SIGNATURE_SECRET_SIZE];
	struct err e = ERR_INIT;

	if (url == NULL || !guard_url(http_guard(app->http), url, NULL))
		response_invalid(rs, rq, "/url", MSG_WANT_WEBHOOK_URL);
	else if (!events_ok(events))
		response_invalid(rs, rq, "/events", MSG_WANT_EVENTS);
	else if (!subscription_put(app, &ask->user, &ask->sub, url,
			 json_is_array(events) ? events : NULL, rq->deadline, secret,
			 &e))
		response_error(rs, rq, &e);
	else
		answer_put(app, rq, ask, secret, rs);
}

static void
put(struct app *app, struct request *rq, struct ask *ask, struct response *rs)
{
	json_t *body = response_or_json(rs, rq, false);

	if (body != NULL)
		put_body(app, rq, ask, body, rs);
	json_decref(body);
}

static void
put_webhook(struct app *app, struct request *rq, struct response *rs)
{
	with_webhook(app, rq, rs, false, put);
}

static void
drop(struct app *app, struct request *rq, struct ask *ask, struct response *rs)
{
	struct err e = ERR_INIT;

	if (*ask->sub.id != '\0' &&
		!subscription_delete(app, &ask->sub, rq->deadline, &e))
		response_error(rs, rq, &e);
	else
		response_json(rs, 200, json_pack("{s:b}", "success", 1));
}

static void
delete_webhook(struct app *app, struct request *rq, struct response *rs)
{
	with_webhook(app, rq, rs, false, drop);
}

/* --- Test, rotate --- */

static void
test(struct app *app, struct request *rq, struct ask *ask, struct response *rs)
{
	/* so much is left for our own answer */
	deadline_t d = deadline_min(
		rq->deadline - 500, deadline_in(app->config.delivery_timeout_ms));
	struct delivery_answer a;
	bool ok = subscription_test(app, &ask->sub, d, &a);
	json_t *o;

	if (a.err.code == ERR_CONFIG) {
		response_error(rs, rq, &a.err);
		return;
	}
	o = json_pack("{s:b, s:b, s:I}", "success", 1, "delivered", ok, "durationMs",
		(json_int_t)a.duration_ms);
	if (a.status != 0)
		json_object_set_new(o, "status", json_integer(a.status));
	if (!ok)
		json_object_set_new(o, "reason", json_string(a.err.text));
	response_json(rs, 200, o);
}

static void
post_test(struct app *app, struct request *rq, struct response *rs)
{
	with_webhook(app, rq, rs, true, test);
}

static void
rotate(struct app *app, struct request *rq, struct ask *ask, struct response *rs)
{
	char secret[SIGNATURE_SECRET_SIZE], until[32];
	struct err e = ERR_INIT;

	if (!subscription_rotate(app, &ask->sub, rq->deadline, secret, until, &e))
		response_error(rs, rq, &e);
	else
		response_json(rs, 200,
			json_pack("{s:b, s:s, s:s}", "success", 1, "secret", secret,
				"formerSecretUntil", until));
}

static void
post_rotate(struct app *app, struct request *rq, struct response *rs)
{
	with_webhook(app, rq, rs, true, rotate);
}

/* --- Deliveries --- */

/* Room for what a query points into. */
struct delivery_words {
	char state[16], cursor[REQUEST_DIGITS_SIZE];
};

/* The query's state, cursor and limit. False: rs holds the 422. */
static bool
read_query(const struct request *rq, struct delivery_words *w, struct delivery_query *q,
	struct response *rs)
{
	static const char *const states[] = {
		"pending", "delivered", "parked", "skipped", NULL};

	*w = (struct delivery_words){.state = ""};
	*q = (struct delivery_query){
		.state = w->state, .cursor = w->cursor, .limit = PAGE};
	if (!request_query_word(rq, "state", states, w->state, sizeof(w->state)))
		return response_invalid(rs, rq, "/state", MSG_WANT_STATE);
	if (!request_query_digits(rq, "cursor", w->cursor, sizeof(w->cursor)))
		return response_invalid(rs, rq, "/cursor", MSG_WANT_CURSOR);
	return request_query_int(rq, "limit", 1, DELIVERY_PAGE_MAX, &q->limit) ||
		response_invalid(rs, rq, "/limit", MSG_WANT_LIMIT);
}

static void
list(struct app *app, struct request *rq, struct ask *ask, struct response *rs)
{
	struct delivery_words words;
	struct err e = ERR_INIT;
	struct delivery_query q;
	json_t *rows, *o;
	char next[32];

	if (!read_query(rq, &words, &q, rs))
		return;
	rows = subscription_deliveries(app, &ask->sub, &q, rq->deadline, next, &e);
	if (rows == NULL) {
		response_error(rs, rq, &e);
		return;
	}
	o = json_pack("{s:b, s:o}", "success", 1, "deliveries", rows);
	if (*next != '\0')
		json_object_set_new(o, "next", json_string(next));
	response_json(rs, 200, o);
}

static void
get_deliveries(struct app *app, struct request *rq, struct response *rs)
{
	with_webhook(app, rq, rs, true, list);
}

static void
replay_some(struct app *app, struct request *rq, struct ask *ask, const char *event_id,
	struct response *rs)
{
	struct err e = ERR_INIT;
	int n;

	if (ask->sub.disabled) { /* it would be parked again at once */
		response_problem(rs, rq, PROBLEM_CONFLICT,
			message_text(MSG_WEBHOOK_DISABLED, rq->lang));
	} else if (!subscription_replay(
			   app, &ask->sub, event_id, rq->deadline, &n, &e)) {
		response_error(rs, rq, &e);
	} else if (event_id != NULL && n == 0) {
		response_problem(rs, rq, PROBLEM_NOT_FOUND, NULL);
	} else {
		if (n > 0)
			pool_wake(app, rq->deadline);
		response_json(
			rs, 200, json_pack("{s:b, s:i}", "success", 1, "replayed", n));
	}
}

static void
replay_one(struct app *app, struct request *rq, struct ask *ask, struct response *rs)
{
	replay_some(app, rq, ask, ask->event_id, rs);
}

static void
replay_all(struct app *app, struct request *rq, struct ask *ask, struct response *rs)
{
	replay_some(app, rq, ask, NULL, rs);
}

static void
post_replay(struct app *app, struct request *rq, struct response *rs)
{
	with_webhook(app, rq, rs, true, replay_one);
}

static void
post_replay_all(struct app *app, struct request *rq, struct response *rs)
{
	with_webhook(app, rq, rs, true, replay_all);
}

static const struct route routes[] = {
	{"GET", "/api/webhook", 0, get_webhook},
	{"PUT", "/api/webhook", 8192, put_webhook},
	{"DELETE", "/api/webhook", 0, delete_webhook},
	{"POST", "/api/webhook/test", 0, post_test},
	{"POST", "/api/webhook/rotate", 0, post_rotate},
	{"GET", "/api/webhook/deliveries", 0, get_deliveries},
	{"POST", "/api/webhook/deliveries/replay", 0, post_replay_all},
	{"POST", "/api/webhook/deliveries/{event}/replay", 0, post_replay},
	{"GET", "/device/{id}/webhook", 0, get_webhook},
	{"PUT", "/device/{id}/webhook", 8192, put_webhook},
	{"DELETE", "/device/{id}/webhook", 0, delete_webhook},
	{"POST", "/device/{id}/webhook/test", 0, post_test},
	{"POST", "/device/{id}/webhook/rotate", 0, post_rotate},
	{"GET", "/device/{id}/webhook/deliveries", 0, get_deliveries},
	{"POST", "/device/{id}/webhook/deliveries/replay", 0, post_replay_all},
	{"POST", "/device/{id}/webhook/deliveries/{event}/replay", 0, post_replay},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	/* a test waits for its subscriber */
	static const struct responder self = {.name = "device-webhook",
		.threads = 16,
		.waits = true,
		.needs = APP_DB | APP_AUTH | APP_SEAL | APP_HTTP,
		.routes = routes};

	return responder_main(&self, argc, argv);
}
