/*
 * Evolution API, 1.8 to 2.4. Facts seen on 2.3.7 that shape this file: `connect` on an
 * instance that reads "close" starts one more socket each time, so it is called once and
 * never repeated; errors of connect and restart are 200 {"error":true}; an instance
 * whose state is absent is in its database but not in its process; a deletion goes on
 * after its answer; the last QR is told for ever, so it counts only while the database
 * says "connecting", which it does from the first QR of a pairing to its end.
 */
#include "lib/gateway-evolution-int.h"

#include <stdio.h>
#include <string.h>

#include "lib/utf8.h"

#define QR_MS 45000          /* Evolution renews its QR so often (qrTimeout) */
#define GONE_MS 10000        /* a deletion was seen to take 1 s */
#define LOOK_FIRST_MS 100    /* between two looks after a command, doubling... */
#define LOOK_LONGEST_MS 1000 /* ...up to this */
#define VERSION_MS 5000      /* the page that tells it asks WhatsApp first */

/* --- webhooks of an instance */

static json_t *
webhook_events(void)
{
	return json_pack("[s,s,s,s,s]", "CONNECTION_UPDATE", "QRCODE_UPDATED",
		"MESSAGES_UPSERT", "MESSAGES_UPDATE", "SEND_MESSAGE");
}

/* The webhook as `set` takes it and `find` tells it: the URL carries the generation, the
 * header the secret (v2). */
static json_t *
webhook_config(const struct server *s, const struct session_spec *spec, bool v1)
{
	char url[2200], token[EVOLUTION_TOKEN_SIZE];
	bool known = v1 && evolution_token(s, spec->name, token);
	json_t *hook;

	snprintf(url, sizeof(url), "%s" EVOLUTION_GENERATION "%lld%s%s", s->webhook_url,
		(long long)spec->generation, known ? EVOLUTION_URL_TOKEN : "",
		known ? token : "");
	hook = json_pack("{s:b, s:s, s:o}", "enabled", 1, "url", url, "events",
		webhook_events());
	if (hook != NULL && !v1) {
		json_object_set_new(hook, "byEvents", json_false());
		json_object_set_new(hook, "base64", json_false());
		json_object_set_new(hook, "headers",
			json_pack("{s:s}", EVOLUTION_HEADER, s->webhook_secret));
	}
	return hook;
}

static bool
has_webhook(struct http *h, const struct server *s, const char *name,
	const json_t *want, bool *has, deadline_t d, struct err *e)
{
	static const char *const members[] = {"enabled", "url", "events", "headers"};
	json_t *v = evolution_fetch(h, s,
		&(struct gateway_call){.method = "GET",
			.path = "/webhook/find/%s",
			.name = name,
			.repeat = true},
		d, e);

	*has = true;
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		const json_t *one = json_object_get(want, members[i]);

		if (one != NULL && !json_equal(json_object_get(v, members[i]), one))
			*has = false;
	}
	json_decref(v);
	return v != NULL;
}

static bool
evolution_set_webhook(struct http *h, const struct server *s,
	const struct session_spec *spec, deadline_t d, struct err *e)
{
	json_t *want = NULL, *body = NULL;
	bool v1, ok = false;

	if (*s->webhook_url == '\0')
		return true;
	if (!evolution_is_v1(h, s, &v1, d, e))
		return false;
	want = webhook_config(s, spec, v1);
	body = v1 ? json_incref(want) : json_pack("{s:O}", "webhook", want);
	if (body == NULL) {
		err_set(e, ERR_INPUT, "the webhook's URL is not valid text");
		goto out;
	}
	ok = gateway_ensure(&evolution_dialect, h, s,
		&(struct gateway_call){.method = "POST",
			.path = "/webhook/set/%s",
			.name = spec->name,
			.body = body,
			.repeat = true},
		has_webhook, want, d, e);
out:
	json_decref(body);
	json_decref(want);
	return ok;
}

/* --- life */

static json_t *
create_body(const struct server *s, const struct session_spec *spec, bool v1)
{
	json_t *hook = *s->webhook_url != '\0' ? webhook_config(s, spec, v1) : NULL;
	json_t *body = json_pack("{s:s, s:s, s:b}", "instanceName", spec->name,
		"integration", "WHATSAPP-BAILEYS", "qrcode", 0);
	char token[EVOLUTION_TOKEN_SIZE];

	if (body != NULL && evolution_token(s, spec->name, token))
		json_object_set_new(body, "token", json_string(token));
	if (body != NULL && hook != NULL && v1) {
		json_object_set(body, "webhook", json_object_get(hook, "url"));
		json_object_set(body, "events", json_object_get(hook, "events"));
		json_object_set_new(body, "webhook_by_events", json_false());
	} else if (body != NULL && hook != NULL) {
		json_object_set(body, "webhook", hook);
	}
	json_decref(hook);
	return body;
}

static bool
evolution_create(struct http *h, const struct server *s,
	const struct session_spec *spec, deadline_t d, struct err *e)
{
	json_t *body;
	bool v1, ok;

	if (!evolution_is_v1(h, s, &v1, d, e))
		return false;
	body = create_body(s, spec, v1);
	if (body == NULL)
		return err_set(e, ERR_INPUT, "the name or URLs are not valid text");
	ok = evolution_command(h, s,
		     &(struct gateway_call){.method = "POST",
			     .path = "/instance/create",
			     .body = body},
		     d, e) &&
		evolution_set_webhook(h, s, spec, d, e);
	json_decref(body);
	return ok;
}

/* Starts a socket: never repeated, and only where there is none. */
static bool
connect_once(struct http *h, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	json_t *v = evolution_current_qr(h, s, name, d, e);

	json_decref(v);
	return v != NULL;
}

static bool
evolution_start(struct http *h, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	struct session now;

	if (!evolution_state(h, s, name, &now, d, e))
		return false;
	if (now.state != SESSION_STOPPED && now.state != SESSION_FAILED)
		return true;
	return connect_once(h, s, name, d, e);
}

/* restart does not start what is closed. Version 1 restarts only what is open, and
 * leaves the rest as it is. */
static bool
evolution_restart(struct http *h, const struct server *s, const char *name,
	deadline_t d, struct err *e)
{
	char word[51];
	bool v1;

	if (!evolution_live_word(h, s, name, word, d, e) ||
		!evolution_is_v1(h, s, &v1, d, e))
		return false;
	if (strcmp(word, "close") == 0)
		return connect_once(h, s, name, d, e);
	return evolution_command(h, s,
		&(struct gateway_call){.method = v1 ? "PUT" : "POST",
			.path = "/instance/restart/%s",
			.name = name},
		d, e);
}

/* Looks until the instance is gone (or, unless it must be gone, closed for good): the
 * answers to logout and delete do not tell. */
static bool
wait_until_over(struct http *h, const struct server *s, const char *name, bool gone,
	deadline_t d, struct err *e)
{
	deadline_t last = deadline_min(d, deadline_in(GONE_MS));
	int64_t wait = LOOK_FIRST_MS;
	struct session now;
	struct err why;

	for (;;) {
		err_clear(&why);
		if (evolution_state(h, s, name, &now, d, &why)) {
			if (!gone &&
				(now.state == SESSION_STOPPED ||
					now.state == SESSION_FAILED))
				return true;
		} else if (why.code == ERR_NOT_FOUND && (!gone || why.status == 404)) {
			return true;
		} else if (why.code != ERR_NOT_FOUND) {
			err_pass(e, &why);
			return false;
		}
		if (!clock_sleep(wait, last))
			return err_set(e, ERR_UNAVAILABLE,
				gone ? "Evolution has not deleted it yet"
				     : "it is not logged out yet");
		wait = wait * 2 < LOOK_LONGEST_MS ? wait * 2 : LOOK_LONGEST_MS;
	}
}

/* An error of logout says as little as its success (it may have closed all the same, or
 * nothing may have happened): the state decides. */
static bool
evolution_logout(struct http *h, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	struct gateway_call call = {
		.method = "DELETE", .path = "/instance/logout/%s", .name = name};
	struct err why = ERR_INIT;

	if (!evolution_command(h, s, &call, d, &why) && why.code != ERR_CONFLICT)
		return gateway_absent_ok(&why, e);
	return wait_until_over(h, s, name, false, d, e);
}

/* There is no call that disconnects and keeps the pairing. What is not paired loses
 * nothing by a logout. */
static bool
evolution_stop(struct http *h, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	struct err why = ERR_INIT;
	struct session now;

	if (!evolution_state(h, s, name, &now, d, &why))
		return gateway_absent_ok(&why, e);
	if (now.state == SESSION_STOPPED || now.state == SESSION_FAILED)
		return true;
	if (*now.phone != '\0' || now.state == SESSION_WORKING)
		return err_set(e, ERR_CONFLICT,
			"Evolution cannot stop it without logging the phone out");
	return evolution_logout(h, s, name, d, e);
}

static bool
evolution_remove(struct http *h, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	struct gateway_call call = {.method = "DELETE",
		.path = "/instance/delete/%s",
		.name = name,
		.repeat = true};
	struct err why = ERR_INIT;
	bool ok = evolution_command(h, s, &call, d, &why);

	/* version 1 wants it logged out first; version 2 fails if it cannot do that */
	if (!ok && why.code == ERR_CONFLICT) {
		err_clear(&why);
		ok = evolution_logout(h, s, name, d, &why) &&
			evolution_command(h, s, &call, d, &why);
	}
	return ok ? wait_until_over(h, s, name, true, d, e)
		  : gateway_absent_ok(&why, e);
}

/* --- pairing */

static bool
is_connecting(struct http *h, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	char word[51];

	return evolution_live_word(h, s, name, word, d, e) &&
		(strcmp(word, "connecting") == 0 ||
			err_set(e, ERR_CONFLICT, "no QR while %s", word));
}

static bool
evolution_qr(struct http *h, const struct server *s, const char *name,
	struct buf *value, deadline_t d, struct err *e)
{
	const char *code;
	json_t *v;
	bool ok = false;

	if (!is_connecting(h, s, name, d, e))
		return false;
	v = evolution_current_qr(h, s, name, d, e);
	code = gateway_text(v, "code");
	if (v != NULL && !json_is_object(v))
		err_set(e, ERR_PROTOCOL, "Evolution's QR is no object");
	else if (v != NULL && (code == NULL || *code == '\0'))
		err_set(e, ERR_CONFLICT, "there is no QR yet");
	else if (v != NULL)
		ok = buf_puts(value, code) ||
			err_set(e, ERR_PROTOCOL, "Evolution's QR is too long");
	json_decref(v);
	return ok;
}

/* "ABCDEFGH" as phones show it. False if it is none. */
static bool
add_code(const json_t *v, struct buf *code)
{
	const char *text = gateway_text(v, "pairingCode");

	if (!gateway_is_code(text))
		return false;
	return strlen(text) == 8 ? buf_printf(code, "%.4s-%s", text, text + 4)
				 : buf_puts(code, text);
}

/* A code comes only with a connect that starts a socket, so what shows a QR is closed
 * first: nobody is paired yet. */
static bool
evolution_pairing_code(struct http *h, const struct server *s, const char *name,
	const char *number, struct buf *code, deadline_t d, struct err *e)
{
	char query[32];
	struct gateway_call first = {.method = "GET",
		.path = "/instance/connect/%s",
		.name = name,
		.query = query};
	int64_t wait = LOOK_FIRST_MS;
	bool ok = false;
	json_t *v;

	snprintf(query, sizeof(query), "?number=%s", number);
	if (!is_connecting(h, s, name, d, e) || !evolution_logout(h, s, name, d, e))
		return false;
	v = evolution_fetch(h, s, &first, d, e);
	while (v != NULL && !(ok = add_code(v, code))) {
		json_decref(v);
		v = NULL;
		if (!clock_sleep(wait, d))
			err_set(e, ERR_TIMEOUT, "there is no pairing code yet");
		else if (is_connecting(h, s, name, d, e))
			v = evolution_current_qr(h, s, name, d, e);
		wait = wait * 2 < LOOK_LONGEST_MS ? wait * 2 : LOOK_LONGEST_MS;
	}
	json_decref(v);
	return ok;
}

/* --- messages */

static json_t *
text_body(const struct text_message *m, bool v1)
{
	const char *at = strstr(m->chat, "@c.us"); /* WAHA's name for a user */
	int n = (int)(at != NULL ? (size_t)(at - m->chat) : strlen(m->chat));

	if (v1)
		return json_pack("{s:s#, s:{s:s}}", "number", m->chat, n, "textMessage",
			"text", m->text);
	return json_pack("{s:s#, s:s}", "number", m->chat, n, "text", m->text);
}

static bool
evolution_send_text(struct http *h, const struct server *s, const char *name,
	const struct text_message *m, struct sent *out, deadline_t d, struct err *e)
{
	struct err why = ERR_INIT;
	json_t *body, *v = NULL;
	bool v1, left = false, ok = false;
	const char *id;

	*out = (struct sent){0};
	if (!evolution_is_v1(h, s, &v1, d, e))
		return false;
	body = text_body(m, v1);
	if (body == NULL)
		return err_set(e, ERR_INPUT, "the message is not valid text");
	v = evolution_fetch(h, s,
		&(struct gateway_call){.method = "POST",
			.path = "/message/sendText/%s",
			.name = name,
			.body = body,
			.sent = &left},
		d, &why);
	id = gateway_text(json_object_get(v, "key"), "id");
	if (v != NULL && (id == NULL || *id == '\0' || strlen(id) >= sizeof(out->id)))
		err_set(&why, ERR_PROTOCOL, "Evolution's message has no id");
	else
		ok = v != NULL;
	utf8_copy(out->id, sizeof(out->id), ok ? id : NULL);
	out->unknown = !ok && why.code != ERR_CONFLICT && why.code != ERR_CONFIG &&
		gateway_may_have_sent(left, &why);
	if (!ok)
		err_pass(e, &why);
	json_decref(body);
	json_decref(v);
	return ok;
}

/* --- ping */

/* The key first: other answers come before it is looked at. A version that is known is
 * not worth failing for: the page that tells it asks WhatsApp on the way. */
static bool
evolution_ping(struct http *h, const struct server *s, struct gateway_status *out,
	deadline_t d, struct err *e)
{
	struct gateway_call verify = {.method = "POST", .path = "/verify-creds"};
	struct err why = ERR_INIT;

	*out = (struct gateway_status){0};
	if (!evolution_command(h, s, &verify, d, &why) && why.status != 404) {
		err_pass(e, &why);
		return false;
	}
	err_clear(&why);
	if (evolution_version(h, s, out->version, sizeof(out->version),
		    deadline_min(d, deadline_in(VERSION_MS)), &why))
		return true;
	if (*s->version != '\0' && why.code != ERR_PROTOCOL) {
		utf8_copy(out->version, sizeof(out->version), s->version);
		return true;
	}
	err_pass(e, &why);
	return false;
}

const struct gateway gateway_evolution = {
	.kind = "evolution",
	.qr_first_ms = QR_MS,
	.qr_next_ms = QR_MS,
	.start_once = true,
	.create = evolution_create,
	.start = evolution_start,
	.restart = evolution_restart,
	.stop = evolution_stop,
	.logout = evolution_logout,
	.remove = evolution_remove,
	.state = evolution_state,
	.list = evolution_list,
	.qr = evolution_qr,
	.pairing_code = evolution_pairing_code,
	.send_text = evolution_send_text,
	.set_webhook = evolution_set_webhook,
	.ping = evolution_ping,
	.claims = evolution_claims,
	.signature_ok = evolution_signature_ok,
	.parse_webhook = evolution_parse_webhook,
	.redact = evolution_redact,
};
