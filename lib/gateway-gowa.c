/*
 * GOWA (go-whatsapp-web-multidevice), 8.10 to 9.2; a session is one of its devices. What
 * shapes this file: there is no start: `login` begins a pairing run, ending the one
 * before, and `reconnect` wakes what is paired; the QR comes as a link to a picture of
 * the run's first reference.
 */
#include "lib/gateway-gowa-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/qr-read.h"
#include "lib/utf8.h"

#define PICTURE_MAX (256u << 10) /* bytes; GOWA's have 2 KiB */
#define LINK_MAX 200
/* The first reference of a run is good for 60 s; some of them pass before it is seen. */
#define QR_RUN_MS 45000

/* What is asked of GOWA about webhooks; NULL if our URL or secret is no valid text. An
 * empty secret would make it sign with a secret that everybody knows: then no webhook. */
static json_t *
webhook_config(const struct server *s)
{
	bool wanted = *s->webhook_url != '\0' && *s->webhook_secret != '\0';

	return json_pack("{s:s, s:s, s:s}", "webhook_url", wanted ? s->webhook_url : "",
		"webhook_secret", wanted ? s->webhook_secret : "", "webhook_events",
		GOWA_EVENTS);
}

static bool
gowa_create(struct http *h, const struct server *s, const struct session_spec *spec,
	deadline_t d, struct err *e)
{
	json_t *body = webhook_config(s), *v = NULL;
	const char *id;
	bool ok = false;

	if (body == NULL ||
		json_object_set_new(body, "device_id", json_string(spec->name)) != 0) {
		err_set(e, ERR_INPUT, "the device's name or URLs are not valid text");
		goto out;
	}
	v = gowa_fetch(h, s,
		&(struct gateway_call){
			.method = "POST", .path = "/devices", .body = body},
		d, e);
	id = gateway_text(v, "id");
	if (v != NULL)
		ok = (id != NULL && strcmp(id, spec->name) == 0) ||
			err_set(e, ERR_PROTOCOL, "GOWA made a device of another name");
out:
	json_decref(body);
	json_decref(v);
	return ok;
}

/* Begins a pairing run; *results is GOWA's answer, which the caller releases. */
static bool
login(struct http *h, const struct server *s, const char *name, json_t **results,
	deadline_t d, struct err *e)
{
	*results = gowa_fetch(h, s,
		&(struct gateway_call){
			.method = "GET", .path = "/devices/%s/login", .name = name},
		d, e);
	return *results != NULL;
}

/* What is paired comes back; what is not begins a pairing run. */
static bool
gowa_restart(struct http *h, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	struct err why = ERR_INIT;
	json_t *results = NULL;
	bool ok = gowa_command(h, s,
		&(struct gateway_call){.method = "POST",
			.path = "/devices/%s/reconnect",
			.name = name},
		false, d, &why);

	if (!ok && why.code == ERR_CONFLICT) {
		err_clear(&why);
		ok = login(h, s, name, &results, d, &why);
	}
	if (!ok)
		err_pass(e, &why);
	json_decref(results);
	return ok;
}

static bool
gowa_logout(struct http *h, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	return gowa_command(h, s,
		&(struct gateway_call){.method = "POST",
			.path = "/devices/%s/logout",
			.name = name,
			.repeat = true},
		true, d, e);
}

static bool
gowa_remove(struct http *h, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	return gowa_command(h, s,
		&(struct gateway_call){.method = "DELETE",
			.path = "/devices/%s",
			.name = name,
			.repeat = true},
		true, d, e);
}

/* What runs is left alone: another login would void the QR that somebody looks at. */
static bool
gowa_start(struct http *h, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	struct session now;

	if (!gowa_state(h, s, name, &now, d, e))
		return false;
	return now.state != SESSION_STOPPED || gowa_restart(h, s, name, d, e);
}

/* There is no such call. A pairing run is ended by a logout, which costs nobody his
 * phone; what is paired can only be unpaired, so it is refused. */
static bool
gowa_stop(struct http *h, const struct server *s, const char *name, deadline_t d,
	struct err *e)
{
	struct err why = ERR_INIT;
	struct session now;

	if (!gowa_state(h, s, name, &now, d, &why))
		return gateway_absent_ok(&why, e);
	if (now.state == SESSION_STOPPED)
		return true;
	if (*now.phone == '\0' && now.state == SESSION_SCAN)
		return gowa_logout(h, s, name, d, e);
	return err_set(
		e, ERR_CONFLICT, "GOWA cannot stop a device without unpairing it");
}

/* The picture's path on the server that we know: a link may name any host. */
static const char *
picture_path(const char *link)
{
	const char *path = link != NULL ? strstr(link, "/statics/") : NULL;
	size_t n = path != NULL ? strlen(path) : 0;

	if (n == 0 || n > LINK_MAX || strstr(path, "..") != NULL ||
		strspn(path,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			"0123456789/._-") != n)
		return NULL;
	return path;
}

static bool
gowa_qr(struct http *h, const struct server *s, const char *name, struct buf *value,
	deadline_t d, struct err *e)
{
	json_t *results = NULL;
	const char *path;
	struct buf png;
	bool ok = false;

	buf_init(&png, PICTURE_MAX);
	if (!login(h, s, name, &results, d, e))
		goto out;
	path = picture_path(gateway_text(results, "qr_link"));
	if (path == NULL) {
		err_set(e, ERR_PROTOCOL, "GOWA's QR has no usable link");
		goto out;
	}
	ok = gateway_bytes(&gowa_dialect, h, s,
		     &(struct gateway_call){.method = "GET",
			     .path = path,
			     .max_answer = PICTURE_MAX,
			     .repeat = true},
		     &png, d, e) &&
		qr_read(buf_str(&png), png.len, value, e);
out:
	buf_free(&png);
	json_decref(results);
	return ok;
}

static bool
gowa_pairing_code(struct http *h, const struct server *s, const char *name,
	const char *number, struct buf *code, deadline_t d, struct err *e)
{
	const char *text = NULL;
	json_t *v = NULL;
	struct buf query;
	bool ok = false;

	buf_init(&query, 200);
	buf_puts(&query, "?phone=");
	if (!http_escape(&query, number)) {
		err_set(e, ERR_INPUT, "the number is too long");
		goto out;
	}
	v = gowa_fetch(h, s,
		&(struct gateway_call){.method = "POST",
			.path = "/devices/%s/login/code",
			.name = name,
			.query = buf_str(&query)},
		d, e);
	text = gateway_text(v, "pair_code");
	if (v != NULL && !gateway_is_code(text))
		err_set(e, ERR_PROTOCOL, "GOWA's pairing code is missing");
	else if (v != NULL)
		ok = buf_puts(code, text);
out:
	buf_free(&query);
	json_decref(v);
	return ok;
}

/* Chats of users live at s.whatsapp.net; other ids are as they are. */
static json_t *
text_body(const struct text_message *m)
{
	const char *at = strchr(m->chat, '@');
	json_t *body;
	struct buf jid;

	buf_init(&jid, 300);
	buf_add(&jid, m->chat, at != NULL ? (size_t)(at - m->chat) : strlen(m->chat));
	if (at == NULL || strcmp(at, "@c.us") == 0)
		buf_puts(&jid, "@s.whatsapp.net");
	else
		buf_puts(&jid, at);
	body = jid.failed
		? NULL
		: json_pack("{s:s, s:s}", "phone", buf_str(&jid), "message", m->text);
	buf_free(&jid);
	return body;
}

static bool
read_sent(const json_t *v, struct sent *out, struct err *e)
{
	const char *id = gateway_text(v, "message_id");

	if (id == NULL || *id == '\0' || strlen(id) >= sizeof(out->id))
		return err_set(e, ERR_PROTOCOL, "GOWA's message has no id");
	utf8_copy(out->id, sizeof(out->id), id);
	return true;
}

static bool
gowa_send_text(struct http *h, const struct server *s, const char *name,
	const struct text_message *m, struct sent *out, deadline_t d, struct err *e)
{
	json_t *body = text_body(m), *v = NULL;
	struct err why = ERR_INIT;
	bool left = false, ok;
	struct buf device;

	*out = (struct sent){0};
	buf_init(&device, 1024);
	buf_puts(&device, "X-Device-Id: "); /* also GOWA's own clients escape it */
	if (!http_escape(&device, name) || body == NULL) {
		err_set(&why, ERR_INPUT, "the message is not valid text");
		goto out;
	}
	v = gowa_fetch(h, s,
		&(struct gateway_call){.method = "POST",
			.path = "/send/message",
			.header = buf_str(&device),
			.body = body,
			.sent = &left},
		d, &why);
out:
	ok = v != NULL && read_sent(v, out, &why);
	if (!ok) {
		out->unknown = gateway_may_have_sent(left, &why);
		err_pass(e, &why);
	}
	buf_free(&device);
	json_decref(body);
	json_decref(v);
	return ok;
}

/* *has: GOWA has the device's webhook as it should be. */
static bool
has_webhook(struct http *h, const struct server *s, const char *name,
	const json_t *want, bool *has, deadline_t d, struct err *e)
{
	static const char *const members[] = {
		"webhook_url", "webhook_secret", "webhook_events"};
	json_t *v = gowa_fetch(h, s,
		&(struct gateway_call){.method = "GET",
			.path = "/devices/%s/webhook",
			.name = name,
			.repeat = true},
		d, e);
	bool ok = v != NULL;

	*has = ok;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		*has = *has &&
			json_equal(json_object_get(v, members[i]),
				json_object_get(want, members[i]));
	json_decref(v);
	return ok;
}

static bool
gowa_set_webhook(struct http *h, const struct server *s,
	const struct session_spec *spec, deadline_t d, struct err *e)
{
	json_t *body = webhook_config(s);
	bool ok = body != NULL
		? gateway_ensure(&gowa_dialect, h, s,
			  &(struct gateway_call){.method = "PATCH",
				  .path = "/devices/%s/webhook",
				  .name = spec->name,
				  .body = body,
				  .repeat = true},
			  has_webhook, body, d, e)
		: err_set(e, ERR_INPUT, "the device's URLs are not valid text");

	json_decref(body);
	return ok;
}

const struct gateway gateway_gowa = {
	.kind = "gowa",
	.qr_run_ms = QR_RUN_MS,
	.polled = true,
	.create = gowa_create,
	.start = gowa_start,
	.restart = gowa_restart,
	.stop = gowa_stop,
	.logout = gowa_logout,
	.remove = gowa_remove,
	.state = gowa_state,
	.list = gowa_list,
	.qr = gowa_qr,
	.pairing_code = gowa_pairing_code,
	.send_text = gowa_send_text,
	.set_webhook = gowa_set_webhook,
	.ping = gowa_ping,
	.claims = gowa_claims,
	.signature_ok = gowa_signature_ok,
	.parse_webhook = gowa_parse_webhook,
};
