/*
 * WAHA (WhatsApp HTTP API), 2024.10 to 2026.8. Facts measured on 2026.2.1 that shape
 * this file: every POST answers 201, also when nothing changed; `stop` and `DELETE` of
 * an unknown session succeed with an empty body; `start` must be written out, since its
 * default is not what is documented; calls in the wrong state block for up to 15 s and
 * then answer 422, so the state is read before a QR is asked for; a busy session
 * answers 500 "async-lock timed out", which is worth another try; QR as JSON needs
 * exactly `Accept: application/json`.
 */
#include "lib/gateway-waha-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/utf8.h"

#define TRIES 3
#define RETRY_BASE_MS 250
#define LIST_MAX (64u << 20) /* some hundred bytes for each of many thousand sessions */

struct waha_call {
	const char *method;
	const char *path;  /* with the session's name in place of %s, or NULL */
	const char *name;  /* session, or NULL */
	const char *query; /* appended as it is, or NULL */
	json_t *body;      /* borrowed, or NULL */
	size_t max_answer;
	int tries; /* more than one only where repeating is safe */
};

static bool
make_url(const struct server *s, const struct waha_call *call, struct buf *url)
{
	const char *gap = strstr(call->path, "%s");

	buf_puts(url, s->url);
	if (gap == NULL) {
		buf_puts(url, call->path);
	} else {
		buf_add(url, call->path, (size_t)(gap - call->path));
		http_escape(url, call->name);
		buf_puts(url, gap + 2);
	}
	if (call->query != NULL)
		buf_puts(url, call->query);
	return !url->failed;
}

/* What a status that is no success means to the caller. Bodies are not shown: WAHA's
 * echo the request, and with it secrets. */
static bool
refuse(const struct http_answer *a, struct err *e)
{
	enum err_code code = ERR_PROTOCOL;

	if (a->status == 401 || a->status == 403)
		code = ERR_UNAUTHORIZED;
	else if (a->status == 404)
		code = ERR_NOT_FOUND;
	else if (a->status == 409 || a->status == 422)
		code = ERR_CONFLICT;
	else if (a->status == 429 || a->status >= 500)
		code = ERR_UNAVAILABLE;
	if (e != NULL && e->code == ERR_NONE)
		e->status = a->status;
	return err_set(e, code, "WAHA answered %d", a->status);
}

static bool
call_once(struct http *h, const struct server *s, const struct waha_call *call,
	deadline_t d, struct http_answer *a, struct err *e)
{
	const char *headers[4] = {"Accept: application/json", NULL, NULL, NULL};
	char *body = NULL;
	struct buf url, key;
	bool ok = false;

	*a = (struct http_answer){0};
	buf_init(&url, 2048);
	buf_init(&key, 1024);
	buf_printf(&key, "X-Api-Key: %s", s->key);
	if (*s->key != '\0')
		headers[1] = buf_str(&key);
	if (call->body != NULL) {
		body = json_dumps(call->body, JSON_COMPACT);
		headers[headers[1] != NULL ? 2 : 1] = "Content-Type: application/json";
	}
	if (!make_url(s, call, &url) || key.failed ||
		(call->body != NULL && body == NULL)) {
		err_set(e, ERR_INPUT, "the server's URL or key is too long");
		goto out;
	}
	struct http_request rq = {.method = call->method,
		.url = buf_str(&url),
		.headers = headers,
		.body = body,
		.body_len = body != NULL ? strlen(body) : 0,
		.max_answer = call->max_answer,
		.guarded = s->guarded};
	ok = http_call(h, &rq, deadline_min(d, deadline_in(s->timeout_ms)), a, e);
	if (ok && a->status >= 300)
		ok = refuse(a, e);
out:
	buf_free(&url);
	buf_free(&key);
	free(body);
	return ok;
}

static bool
worth_repeating(const struct err *e)
{
	return e->code == ERR_UNAVAILABLE || e->code == ERR_TIMEOUT;
}

/* The caller frees the answer also on failure. */
static bool
waha_call(struct http *h, const struct server *s, const struct waha_call *call,
	deadline_t d, struct http_answer *a, struct err *e)
{
	struct err last = ERR_INIT;

	for (int i = 0;; i++) {
		err_clear(&last);
		if (call_once(h, s, call, d, a, &last))
			return true;
		if (i + 1 >= call->tries || !worth_repeating(&last))
			break;
		http_answer_free(a);
		*a = (struct http_answer){0};
		if (!clock_sleep(clock_jitter(RETRY_BASE_MS << i), d))
			break;
	}
	if (e != NULL && e->code == ERR_NONE)
		*e = last;
	return false;
}

/* A call of which only success matters. Its answer may be empty; what there is must be
 * JSON: a 200 with a proxy's or another program's page is no success. */
static bool
command(struct http *h, const struct server *s, const struct waha_call *call,
	deadline_t d, struct err *e)
{
	struct http_answer a;
	json_t *v = NULL;
	bool ok = waha_call(h, s, call, d, &a, e);

	if (ok && a.body.len > 0) {
		v = json_parse_strict(buf_str(&a.body), a.body.len, NULL);
		ok = v != NULL || err_set(e, ERR_PROTOCOL, "WAHA's answer is not JSON");
	}
	json_decref(v);
	http_answer_free(&a);
	return ok;
}

/* A call whose answer is a JSON value: a new reference, or NULL. */
static json_t *
fetch(struct http *h, const struct server *s, const struct waha_call *call,
	deadline_t d, struct err *e)
{
	struct err bad = ERR_INIT;
	struct http_answer a;
	json_t *v = NULL;

	if (waha_call(h, s, call, d, &a, e)) {
		v = json_parse_strict(buf_str(&a.body), a.body.len, &bad);
		if (v == NULL)
			err_set(e, ERR_PROTOCOL, "WAHA's answer is not JSON: %s",
				bad.text);
	}
	http_answer_free(&a);
	return v;
}

static enum session_state
state_of(const char *word)
{
	static const struct {
		const char *word;
		enum session_state state;
	} words[] = {{"STOPPED", SESSION_STOPPED}, {"STARTING", SESSION_STARTING},
		{"SCAN_QR_CODE", SESSION_SCAN}, {"WORKING", SESSION_WORKING},
		{"FAILED", SESSION_FAILED}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].word, word) == 0)
			return words[i].state;
	return SESSION_OTHER;
}

static bool
read_session(const json_t *o, struct session *out, struct err *e)
{
	const char *name = waha_text(o, "name"), *word = waha_text(o, "status");
	const json_t *me = json_object_get(o, "me");
	const char *id = waha_text(me, "id"), *push = waha_text(me, "pushName");
	const json_t *metadata =
		json_object_get(json_object_get(o, "config"), "metadata");

	if (name == NULL || word == NULL || strlen(name) >= sizeof(out->name))
		return err_set(e, ERR_PROTOCOL, "WAHA's session has no name or status");
	*out = (struct session){.state = state_of(word)};
	utf8_copy(out->name, sizeof(out->name), name);
	utf8_copy(out->word, sizeof(out->word), word);
	utf8_copy(out->phone, sizeof(out->phone), id);
	utf8_copy(out->profile, sizeof(out->profile), push);
	utf8_copy(out->pool_id, sizeof(out->pool_id), waha_text(metadata, WAHA_POOL));
	return true;
}

static json_t *
webhook_config(const struct server *s)
{
	json_t *hook = json_pack("{s:s, s:[s,s,s,s], s:{s:s, s:i, s:i}}", "url",
		s->webhook_url, "events", "session.status", "message", "message.any",
		"message.ack", "retries", "policy", "constant", "delaySeconds", 2,
		"attempts", 15);

	if (hook != NULL && *s->webhook_secret != '\0')
		json_object_set_new(
			hook, "hmac", json_pack("{s:s}", "key", s->webhook_secret));
	return hook;
}

static bool
waha_create(struct http *h, const struct server *s, const struct session_spec *spec,
	deadline_t d, struct err *e)
{
	char generation[24];
	json_t *body;
	bool ok;

	snprintf(generation, sizeof(generation), "%lld", (long long)spec->generation);
	body = json_pack("{s:s, s:b, s:{s:{s:s, s:s}, s:o}}", "name", spec->name,
		"start", 0, "config", "metadata", WAHA_GENERATION, generation,
		WAHA_POOL, s->pool_id, "webhooks",
		*s->webhook_url != '\0' ? json_pack("[o]", webhook_config(s))
					: json_array());
	if (body == NULL)
		return err_set(
			e, ERR_INPUT, "the session's name or URLs are not valid text");
	ok = command(h, s,
		&(struct waha_call){
			.method = "POST", .path = "/api/sessions", .body = body},
		d, e);
	json_decref(body);
	return ok;
}

/* A command to one session, which may be repeated: WAHA's are idempotent. absent_ok: to
 * a session that is not there it has been done already. */
static bool
session_command(struct http *h, const struct server *s, const char *method,
	const char *path, const char *name, bool absent_ok, deadline_t d, struct err *e)
{
	struct waha_call call = {
		.method = method, .path = path, .name = name, .tries = TRIES};
	struct err why = ERR_INIT;

	if (command(h, s, &call, d, &why) || (absent_ok && why.code == ERR_NOT_FOUND))
		return true;
	if (e != NULL && e->code == ERR_NONE)
		*e = why;
	return false;
}

static bool
waha_start(struct http *h, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	return session_command(
		h, s, "POST", "/api/sessions/%s/start", name, false, d, e);
}

static bool
waha_restart(struct http *h, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	return session_command(
		h, s, "POST", "/api/sessions/%s/restart", name, false, d, e);
}

static bool
waha_logout(struct http *h, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	return session_command(
		h, s, "POST", "/api/sessions/%s/logout", name, true, d, e);
}

static bool
waha_remove(struct http *h, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	return session_command(h, s, "DELETE", "/api/sessions/%s", name, true, d, e);
}

static bool
waha_state(struct http *h, const struct server *s, const char *name,
	struct session *out, deadline_t d, struct err *e)
{
	json_t *v = fetch(h, s,
		&(struct waha_call){.method = "GET",
			.path = "/api/sessions/%s",
			.name = name,
			.tries = TRIES},
		d, e);
	bool ok = v != NULL && read_session(v, out, e);

	json_decref(v);
	return ok;
}

static bool
waha_list(struct http *h, const struct server *s, session_fn *each, void *ctx,
	deadline_t d, struct err *e)
{
	json_t *v = fetch(h, s,
		&(struct waha_call){.method = "GET",
			.path = "/api/sessions",
			.query = "?all=true",
			.max_answer = LIST_MAX,
			.tries = TRIES},
		d, e);
	struct session one;
	json_t *row;
	size_t i;
	bool ok = false;

	if (v != NULL && !json_is_array(v)) {
		err_set(e, ERR_PROTOCOL, "WAHA's list is not an array");
		goto out;
	}
	json_array_foreach(v, i, row)
	{
		if (!read_session(row, &one, e))
			goto out;
		if (!each(&one, ctx))
			break;
	}
	ok = v != NULL;
out:
	json_decref(v);
	return ok;
}

static bool
waha_qr(struct http *h, const struct server *s, const char *name, struct buf *value,
	deadline_t d, struct err *e)
{
	json_t *v = fetch(h, s,
		&(struct waha_call){.method = "GET",
			.path = "/api/%s/auth/qr",
			.name = name,
			.query = "?format=raw"},
		d, e);
	const char *raw = waha_text(v, "value");
	bool ok = false;

	if (v != NULL && (raw == NULL || *raw == '\0'))
		err_set(e, ERR_PROTOCOL, "WAHA's QR has no value");
	else if (v != NULL)
		ok = buf_puts(value, raw) ||
			err_set(e, ERR_PROTOCOL, "WAHA's QR is too long");
	json_decref(v);
	return ok;
}

static bool
waha_pairing_code(struct http *h, const struct server *s, const char *name,
	const char *number, struct buf *code, deadline_t d, struct err *e)
{
	json_t *body = json_pack("{s:s}", "phoneNumber", number), *v = NULL;
	const char *text;
	bool ok = false;

	if (body != NULL)
		v = fetch(h, s,
			&(struct waha_call){.method = "POST",
				.path = "/api/%s/auth/request-code",
				.name = name,
				.body = body},
			d, e);
	text = waha_text(v, "code");
	if (v != NULL && (text == NULL || strlen(text) > 32))
		err_set(e, ERR_PROTOCOL, "WAHA's pairing code is missing");
	else if (v != NULL)
		ok = buf_puts(code, text);
	json_decref(body);
	json_decref(v);
	return ok;
}

static bool
waha_ping(struct http *h, const struct server *s, struct gateway_status *out,
	deadline_t d, struct err *e)
{
	json_t *status = fetch(h, s,
		&(struct waha_call){.method = "GET", .path = "/api/server/status"}, d,
		e);
	json_t *version = NULL;
	const char *text;
	bool ok = false;

	*out = (struct gateway_status){0};
	if (status != NULL)
		version = fetch(h, s,
			&(struct waha_call){
				.method = "GET", .path = "/api/server/version"},
			d, e);
	text = waha_text(version, "version");
	if (version != NULL && text == NULL)
		err_set(e, ERR_PROTOCOL, "this is not WAHA: it has no version");
	else
		ok = version != NULL;
	out->started_ms = json_integer_value(json_object_get(status, "startTimestamp"));
	utf8_copy(out->version, sizeof(out->version), text);
	json_decref(status);
	json_decref(version);
	return ok;
}

const struct gateway gateway_waha = {
	.kind = "waha",
	.create = waha_create,
	.start = waha_start,
	.restart = waha_restart,
	.logout = waha_logout,
	.remove = waha_remove,
	.state = waha_state,
	.list = waha_list,
	.qr = waha_qr,
	.pairing_code = waha_pairing_code,
	.ping = waha_ping,
	.signature_ok = waha_signature_ok,
	.parse_webhook = waha_parse_webhook,
};
