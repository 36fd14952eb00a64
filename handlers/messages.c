/* POST /api/messages/send: one text out, within a quota. GET /api/messages/{id}: what became of it. */
#include <stdio.h>
#include <string.h>

#include "lib/device.h"
#include "lib/idempotency.h"
#include "lib/log.h"
#include "lib/phone.h"
#include "lib/responder.h"
#include "lib/send.h"
#include "lib/utf8.h"
#include "lib/uuid.h"

#define ROUTE "/api/messages/send"
#define CHAT_MAX 64

/* What the body asks for; the texts live in `body` and here. */
struct input {
	json_t *body;
	struct send_wish wish;
	char number[PHONE_SIZE];
};

/* A chat's id as gateways have them: "5511...@c.us", "...@g.us", "...@lid". */
static bool
is_chat_id(const char *s)
{
	static const char *const servers[] = {
		"@c.us", "@g.us", "@s.whatsapp.net", "@lid"};
	size_t n = strspn(s, "0123456789-");

	if (n < 5 || n > CHAT_MAX - 20)
		return false;
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++)
		if (strcmp(s + n, servers[i]) == 0)
			return true;
	return false;
}

static bool
read_to_and_text(const struct request *rq, struct input *in, struct response *rs)
{
	const char *to = json_string_value(json_object_get(in->body, "to"));
	const char *text = json_string_value(json_object_get(in->body, "text"));

	if (to != NULL && is_chat_id(to))
		in->wish.chat = to;
	else if (phone_digits(to, in->number))
		in->wish.chat = in->number;
	else
		return response_invalid(rs, rq, "/to", MSG_WANT_TO);
	if (text == NULL || *text == '\0' || utf8_length(text) > SEND_TEXT_MAX)
		return response_invalid(rs, rq, "/text", MSG_WANT_MESSAGE);
	in->wish.text = text;
	return true;
}

/* NULL in *out if the member is absent or null; false if it is no text. */
static bool
optional_text(const json_t *body, const char *member, const char **out)
{
	const json_t *v = json_object_get(body, member);

	*out = json_string_value(v);
	return v == NULL || json_is_null(v) || *out != NULL;
}

/* A hosting's own table of clients may count them. */
static bool
is_client(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	return uuid_valid(s) || (digits > 0 && digits <= 18 && s[digits] == '\0');
}

static bool
read_choice(const struct request *rq, struct input *in, struct response *rs)
{
	static const char *const strategies[] = {
		"sticky", "round_robin", "least_loaded"};
	struct send_wish *w = &in->wish;
	bool known = false;

	if (!device_of_body(rq, in->body, &w->device, rs))
		return false;
	if (!optional_text(in->body, "clienteId", &w->client) ||
		(w->client != NULL && !is_client(w->client)))
		return response_invalid(rs, rq, "/clienteId", MSG_WANT_CLIENT);
	if (!optional_text(in->body, "strategy", &w->strategy))
		return response_invalid(rs, rq, "/strategy", MSG_WANT_STRATEGY);
	for (size_t i = 0; i < sizeof(strategies) / sizeof(strategies[0]); i++)
		known = known ||
			(w->strategy != NULL &&
				strcmp(w->strategy, strategies[i]) == 0);
	if (w->strategy != NULL && !known)
		return response_invalid(rs, rq, "/strategy", MSG_WANT_STRATEGY);
	return true;
}

static json_t *
quota_json(const struct quota *q)
{
	return json_pack("{s:i, s:i, s:I}", "limit", q->limit, "remaining",
		q->limit - q->used, "resetSeconds", (json_int_t)q->resets_s);
}

/* draft-ietf-httpapi-ratelimit-headers: both windows, the hour's first. */
static void
add_rate_limit(struct response *rs, const struct quota *hour, const struct quota *day)
{
	char text[160];

	snprintf(text, sizeof(text), "\"hour\";q=%d;w=3600, \"day\";q=%d;w=86400",
		hour->limit, day->limit);
	response_header(rs, "RateLimit-Policy", text);
	snprintf(text, sizeof(text), "\"hour\";r=%d;t=%lld, \"day\";r=%d;t=%lld",
		hour->limit - hour->used, (long long)hour->resets_s,
		day->limit - day->used, (long long)day->resets_s);
	response_header(rs, "RateLimit", text);
}

static void
answer(const struct request *rq, const struct send_result *r, struct response *rs)
{
	bool unknown = r->state == SEND_UNKNOWN;
	json_t *o = json_pack("{s:b, s:s, s:s, s:s, s:s, s:s}", "success", !unknown,
		"messageId", r->message_id, "status", unknown ? "unknown" : "sent",
		"instanceName", r->instance, "deviceId", r->device_id, "message",
		message_text(unknown ? MSG_SEND_UNKNOWN : MSG_SENT, rq->lang));

	if (*r->gateway_id != '\0')
		json_object_set_new(o, "gatewayId", json_string(r->gateway_id));
	if (!r->repeated) {
		json_object_set_new(o, "quota",
			json_pack("{s:o, s:o}", "hour", quota_json(&r->hour), "day",
				quota_json(&r->day)));
		add_rate_limit(rs, &r->hour, &r->day);
	}
	/* 202: taken, and nobody knows more */
	response_json(rs, unknown ? 202 : 200, o);
}

static void
answer_refusal(
	const struct request *rq, const struct send_refusal *why, struct response *rs)
{
	const char *detail =
		why->detail != MSG__MAX ? message_text(why->detail, rq->lang) : NULL;
	char seconds[16];

	if (why->problem == PROBLEM_INVALID)
		response_invalid(rs, rq, why->pointer, why->detail);
	else
		response_problem(rs, rq, why->problem, detail);
	if (why->retry_after_s > 0) {
		snprintf(seconds, sizeof(seconds), "%d", why->retry_after_s);
		response_header(rs, "Retry-After", seconds);
	}
}

static void
run(struct app *app, struct request *rq, const struct user *u, struct input *in,
	const struct idempotency *id, struct response *rs)
{
	struct err e = ERR_INIT;
	struct send_result r;
	struct send_refusal why;

	in->wish.key = id->active ? id->key : NULL;
	if (send_text(app, u, &in->wish, rq->deadline, &r, &why, &e)) {
		answer(rq, &r, rs);
	} else {
		if (err_isset(&e))
			log_write(LOG_WARN, "send.failed",
				LOG_STR("message", r.message_id),
				LOG_STR("kind", err_name(e.code)),
				LOG_STR("error", e.text));
		answer_refusal(rq, &why, rs);
	}
}

static void
send_message(struct app *app, struct request *rq, struct response *rs)
{
	struct input in = {0};
	struct idempotency id;
	struct user u;

	if (!auth_token(app, rq, &u, rs))
		return;
	in.body = response_or_json(rs, rq, false);
	if (in.body != NULL && read_to_and_text(rq, &in, rs) &&
		read_choice(rq, &in, rs) &&
		idempotency_begin(app, rq, &u, ROUTE, &id, rs)) {
		run(app, rq, &u, &in, &id, rs);
		idempotency_end(app, &id, rs);
	}
	json_decref(in.body);
}

static void
get_message(struct app *app, struct request *rq, struct response *rs)
{
	struct err e = ERR_INIT;
	json_t *message;
	struct user u;

	if (!auth_user(app, rq, &u, rs))
		return;
	message = message_get(app, &u, rq->args[0], rq->deadline, &e);
	if (message != NULL)
		response_json(rs, 200, message);
	else
		response_error(rs, rq, &e);
}

static const struct route routes[] = {
	{"POST", ROUTE, 32768, send_message},
	{"GET", "/api/messages/{id}", 0, get_message},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	/* a thread waits for its gateway most of the time */
	static const struct responder self = {.name = "messages",
		.threads = 32,
		.waits = true,
		.needs = APP_DB | APP_AUTH | APP_SEAL | APP_HTTP,
		.routes = routes};

	return responder_main(&self, argc, argv);
}
