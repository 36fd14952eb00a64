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

static void
auth(const struct server *s, struct buf *line)
{
	if (*s->key != '\0')
		buf_printf(line, "X-Api-Key: %s", s->key);
}

static const struct gateway_dialect waha = {.product = "WAHA", .auth = auth};

static bool
command(struct http *h, const struct server *s, const struct gateway_call *call,
	deadline_t d, struct err *e)
{
	return gateway_command(&waha, h, s, call, d, e);
}

static json_t *
fetch(struct http *h, const struct server *s, const struct gateway_call *call,
	deadline_t d, struct err *e)
{
	return gateway_fetch(&waha, h, s, call, d, e);
}

static bool
read_session(const json_t *o, struct session *out, struct err *e)
{
	const char *name = gateway_text(o, "name"), *word = gateway_text(o, "status");
	const json_t *me = json_object_get(o, "me");
	const char *id = gateway_text(me, "id"), *push = gateway_text(me, "pushName");
	const json_t *metadata =
		json_object_get(json_object_get(o, "config"), "metadata");

	if (!gateway_named(out, name) || word == NULL)
		return err_set(e, ERR_PROTOCOL, "WAHA's session has no name or status");
	out->state = gateway_state_of(word);
	utf8_copy(out->word, sizeof(out->word), word);
	utf8_copy(out->phone, sizeof(out->phone), id);
	utf8_copy(out->profile, sizeof(out->profile), push);
	utf8_copy(
		out->pool_id, sizeof(out->pool_id), gateway_text(metadata, WAHA_POOL));
	return true;
}

/* Our webhook as a session's configuration has it; NULL if its texts are no text. */
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

/* The configuration of a session of ours. */
static json_t *
session_config(const struct server *s, const struct session_spec *spec)
{
	char generation[24];

	snprintf(generation, sizeof(generation), "%lld", (long long)spec->generation);
	return json_pack("{s:{s:s, s:s}, s:o}", "metadata", WAHA_GENERATION, generation,
		WAHA_POOL, s->pool_id, "webhooks",
		*s->webhook_url != '\0' ? json_pack("[o]", webhook_config(s))
					: json_array());
}

static bool
waha_create(struct http *h, const struct server *s, const struct session_spec *spec,
	deadline_t d, struct err *e)
{
	json_t *body = json_pack("{s:s, s:b, s:o}", "name", spec->name, "start", 0,
		"config", session_config(s, spec));
	bool ok;

	if (body == NULL)
		return err_set(
			e, ERR_INPUT, "the session's name or URLs are not valid text");
	ok = command(h, s,
		&(struct gateway_call){
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
	struct gateway_call call = {
		.method = method, .path = path, .name = name, .repeat = true};
	struct err why = ERR_INIT;

	return command(h, s, &call, d, absent_ok ? &why : e) ||
		(absent_ok && gateway_absent_ok(&why, e));
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
waha_stop(struct http *h, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	return session_command(h, s, "POST", "/api/sessions/%s/stop", name, true, d, e);
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
	return gateway_read_one(fetch(h, s,
					&(struct gateway_call){.method = "GET",
						.path = "/api/sessions/%s",
						.name = name,
						.repeat = true},
					d, e),
		read_session, out, e);
}

static bool
waha_list(struct http *h, const struct server *s, session_fn *each, void *ctx,
	deadline_t d, struct err *e)
{
	return gateway_read_list(&waha,
		fetch(h, s,
			&(struct gateway_call){.method = "GET",
				.path = "/api/sessions",
				.query = "?all=true",
				.max_answer = GATEWAY_LIST_MAX,
				.repeat = true},
			d, e),
		read_session, each, ctx, e);
}

static bool
waha_qr(struct http *h, const struct server *s, const char *name, struct buf *value,
	deadline_t d, struct err *e)
{
	json_t *v = fetch(h, s,
		&(struct gateway_call){.method = "GET",
			.path = "/api/%s/auth/qr",
			.name = name,
			.query = "?format=raw"},
		d, e);
	const char *raw = gateway_text(v, "value");
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
			&(struct gateway_call){.method = "POST",
				.path = "/api/%s/auth/request-code",
				.name = name,
				.body = body},
			d, e);
	text = gateway_text(v, "code");
	if (v != NULL && !gateway_is_code(text))
		err_set(e, ERR_PROTOCOL, "WAHA's pairing code is missing");
	else if (v != NULL)
		ok = buf_puts(code, text);
	json_decref(body);
	json_decref(v);
	return ok;
}

/* Engines answer a raw Baileys message (NOWEB), "true_CHAT_ID" (GOWS), or an object
 * around that (WEBJS). */
static bool
read_sent(const json_t *v, struct sent *out)
{
	const json_t *id = json_object_get(v, "id");
	const char *raw = gateway_text(json_object_get(v, "key"), "id");

	if (raw == NULL)
		raw = json_is_object(id) ? gateway_text(id, "_serialized")
					 : json_string_value(id);
	return waha_message_id(raw, out->id, sizeof(out->id));
}

/* Bare digits are a user's chat to WAHA too, but only here, not in its answers. */
static json_t *
text_body(const char *name, const struct text_message *m)
{
	return json_pack("{s:s, s:s+, s:s}", "session", name, "chatId", m->chat,
		strchr(m->chat, '@') == NULL ? "@c.us" : "", "text", m->text);
}

static bool
waha_send_text(struct http *h, const struct server *s, const char *name,
	const struct text_message *m, struct sent *out, deadline_t d, struct err *e)
{
	json_t *body = text_body(name, m), *v = NULL;
	struct err why = ERR_INIT;
	bool left = false, ok;

	*out = (struct sent){0};
	if (body == NULL)
		return err_set(e, ERR_INPUT, "the message is not valid text");
	v = fetch(h, s,
		&(struct gateway_call){.method = "POST",
			.path = "/api/sendText",
			.body = body,
			.sent = &left},
		d, &why);
	ok = v != NULL &&
		(read_sent(v, out) ||
			err_set(&why, ERR_PROTOCOL, "WAHA's message has no id"));
	if (!ok) {
		out->unknown = gateway_may_have_sent(left, &why);
		err_pass(e, &why);
	}
	json_decref(body);
	json_decref(v);
	return ok;
}

/* True if `want` and what it holds is in `have`: WAHA adds members of its own. */
static bool
holds(const json_t *have, const json_t *want)
{
	const char *key;
	json_t *one;
	size_t i;

	if (!json_is_object(want) && !json_is_array(want))
		return json_equal(have, want);
	if (json_is_array(want) && json_array_size(have) != json_array_size(want))
		return false;
	json_array_foreach(want, i, one)
		if (!holds(json_array_get(have, i), one))
			return false;
	json_object_foreach((json_t *)want, key, one)
		if (!holds(json_object_get(have, key), one))
			return false;
	return true;
}

static bool
has_config(struct http *h, const struct server *s, const char *name, const json_t *want,
	bool *has, deadline_t d, struct err *e)
{
	json_t *v = fetch(h, s,
		&(struct gateway_call){.method = "GET",
			.path = "/api/sessions/%s",
			.name = name,
			.repeat = true},
		d, e);

	*has = v != NULL && holds(json_object_get(v, "config"), want);
	json_decref(v);
	return v != NULL;
}

static bool
waha_set_webhook(struct http *h, const struct server *s,
	const struct session_spec *spec, deadline_t d, struct err *e)
{
	json_t *config = session_config(s, spec);
	json_t *body = json_pack("{s:O}", "config", config);
	bool ok = config != NULL && body != NULL
		? gateway_ensure(&waha, h, s,
			  &(struct gateway_call){.method = "PUT",
				  .path = "/api/sessions/%s",
				  .name = spec->name,
				  .body = body,
				  .repeat = true},
			  has_config, config, d, e)
		: err_set(e, ERR_INPUT, "the session's URLs are not valid text");

	json_decref(body);
	json_decref(config);
	return ok;
}

static bool
waha_ping(struct http *h, const struct server *s, struct gateway_status *out,
	deadline_t d, struct err *e)
{
	json_t *status = fetch(h, s,
		&(struct gateway_call){.method = "GET", .path = "/api/server/status"},
		d, e);
	json_t *version = NULL;
	const char *text;
	int64_t started;
	bool ok = false;

	*out = (struct gateway_status){0};
	if (status != NULL)
		version = fetch(h, s,
			&(struct gateway_call){
				.method = "GET", .path = "/api/server/version"},
			d, e);
	text = gateway_text(version, "version");
	if (version != NULL && text == NULL)
		err_set(e, ERR_PROTOCOL, "this is not WAHA: it has no version");
	else
		ok = version != NULL;
	started = json_integer_value(json_object_get(status, "startTimestamp"));
	out->started_ms = gateway_time_ok(started) ? started : 0;
	utf8_copy(out->version, sizeof(out->version), text);
	json_decref(status);
	json_decref(version);
	return ok;
}

const struct gateway gateway_waha = {
	.kind = "waha",
	.qr_first_ms = 60000, /* as its engines have them: 60 s, then five of 20 s */
	.qr_next_ms = 20000,
	.create = waha_create,
	.start = waha_start,
	.restart = waha_restart,
	.stop = waha_stop,
	.logout = waha_logout,
	.remove = waha_remove,
	.state = waha_state,
	.list = waha_list,
	.qr = waha_qr,
	.pairing_code = waha_pairing_code,
	.send_text = waha_send_text,
	.set_webhook = waha_set_webhook,
	.ping = waha_ping,
	.claims = waha_claims,
	.signature_ok = waha_signature_ok,
	.parse_webhook = waha_parse_webhook,
};
