/*
 * GOWA: asking it anything, and what state a device is in. Every answer is
 * {"code","message","results"}; an unknown device and a name that is taken are 500s that
 * only their text tells apart; a 401 in JSON speaks of WhatsApp, one in plain text of
 * our key; no webhook tells of connections, so states are asked for.
 */
#include <stdio.h>
#include <string.h>

#include "lib/gateway-gowa-int.h"
#include "lib/utf8.h"

static void
auth(const struct server *s, struct buf *line)
{
	if (*s->key == '\0')
		return;
	buf_puts(line, "Authorization: Basic ");
	buf_base64(line, s->key, strlen(s->key));
}

static bool
ends_with(const char *text, const char *end)
{
	size_t n = text != NULL ? strlen(text) : 0, k = strlen(end);

	return n >= k && strcmp(text + n - k, end) == 0;
}

/* A 500 is about anything; its text says what. */
static enum err_code
judge_500(const char *code, const char *message)
{
	if (ends_with(message, "not found"))
		return ERR_NOT_FOUND;
	if (ends_with(message, "already exists") ||
		ends_with(message, "is not logged in (session deleted)") ||
		ends_with(message, "client not initialized") ||
		strcmp(code, "SESSION_SAVED_ERROR") == 0)
		return ERR_CONFLICT;
	return ERR_UNAVAILABLE;
}

static enum err_code
judge(int status, const json_t *v)
{
	const char *code = gateway_text(v, "code");

	if (code == NULL) /* not GOWA's form: a proxy, Basic auth, an unknown path */
		return status == 404 ? ERR_PROTOCOL : gateway_judge(status, v);
	if (status < 300)
		return strcmp(code, "SUCCESS") == 0 ? ERR_NONE : ERR_PROTOCOL;
	if (status == 401 || strcmp(code, "ALREADY_LOGGED_IN") == 0)
		return ERR_CONFLICT;
	if (strcmp(code, "INVALID_JID") == 0 || strcmp(code, "VALIDATION_ERROR") == 0)
		return ERR_INPUT;
	if (status == 500)
		return judge_500(code, gateway_text(v, "message"));
	return gateway_judge(status, v);
}

const struct gateway_dialect gowa_dialect = {
	.product = "GOWA", .auth = auth, .judge = judge};

json_t *
gowa_fetch(struct http *h, const struct server *s, const struct gateway_call *call,
	deadline_t d, struct err *e)
{
	json_t *v = gateway_fetch(&gowa_dialect, h, s, call, d, e), *results = NULL;

	if (v != NULL && gateway_text(v, "code") == NULL)
		err_set(e, ERR_PROTOCOL, "this is not GOWA: its answer has no code");
	else if (v != NULL && (results = json_object_get(v, "results")) == NULL)
		results = json_null();
	else
		json_incref(results);
	json_decref(v);
	return results;
}

bool
gowa_command(struct http *h, const struct server *s, const struct gateway_call *call,
	bool absent_ok, deadline_t d, struct err *e)
{
	struct err why = ERR_INIT;
	json_t *results = gowa_fetch(h, s, call, d, absent_ok ? &why : e);
	bool ok = results != NULL || (absent_ok && gateway_absent_ok(&why, e));

	json_decref(results);
	return ok;
}

/* "5511999999999:12@s.whatsapp.net" is the twelfth device of 5511999999999. */
static void
read_phone(const char *jid, char *out, size_t size)
{
	size_t n = jid != NULL ? strspn(jid, "0123456789") : 0;

	if (n > 0 && n < 32)
		snprintf(out, size, "%.*s@c.us", (int)n, jid);
}

/* Without a phone, `connected` waits for one; with it, it is not logged in yet. */
static enum session_state
state_of(const char *word, bool has_phone)
{
	if (strcmp(word, "logged_in") == 0)
		return SESSION_WORKING;
	if (strcmp(word, "connected") == 0)
		return has_phone ? SESSION_STARTING : SESSION_SCAN;
	if (strcmp(word, "connecting") == 0)
		return SESSION_STARTING;
	return strcmp(word, "disconnected") == 0 ? SESSION_STOPPED : SESSION_OTHER;
}

static bool
read_device(const json_t *o, struct session *out, struct err *e)
{
	const char *name = gateway_text(o, "id"), *word = gateway_text(o, "state");

	if (!gateway_named(out, name) || word == NULL)
		return err_set(e, ERR_PROTOCOL, "GOWA's device has no id or state");
	read_phone(gateway_text(o, "jid"), out->phone, sizeof(out->phone));
	out->state = state_of(word, *out->phone != '\0');
	if (out->state != SESSION_OTHER)
		word = gateway_word(out->state);
	utf8_copy(out->word, sizeof(out->word), word);
	utf8_copy(out->profile, sizeof(out->profile), gateway_text(o, "display_name"));
	return true;
}

bool
gowa_state(struct http *h, const struct server *s, const char *name,
	struct session *out, deadline_t d, struct err *e)
{
	return gateway_read_one(gowa_fetch(h, s,
					&(struct gateway_call){.method = "GET",
						.path = "/devices/%s",
						.name = name,
						.repeat = true},
					d, e),
		read_device, out, e);
}

/* All devices; none at all are null. */
static json_t *
fetch_list(struct http *h, const struct server *s, bool repeat, deadline_t d,
	struct err *e)
{
	json_t *v = gowa_fetch(h, s,
		&(struct gateway_call){.method = "GET",
			.path = "/devices",
			.max_answer = GATEWAY_LIST_MAX,
			.repeat = repeat},
		d, e);

	return json_is_null(v) ? json_array() : v;
}

bool
gowa_list(struct http *h, const struct server *s, session_fn *each, void *ctx,
	deadline_t d, struct err *e)
{
	return gateway_read_list(
		&gowa_dialect, fetch_list(h, s, true, d, e), read_device, each, ctx, e);
}

/* The list proves that it is GOWA and that our key is good; 8.x does not tell its version. */
bool
gowa_ping(struct http *h, const struct server *s, struct gateway_status *out,
	deadline_t d, struct err *e)
{
	struct err ignored = ERR_INIT;
	json_t *v = fetch_list(h, s, false, d, e);
	bool ok = json_is_array(v);

	if (v != NULL && !ok)
		err_set(e, ERR_PROTOCOL, "GOWA's list is not an array");
	*out = (struct gateway_status){0};
	json_decref(v);
	if (!ok)
		return false;
	v = gowa_fetch(h, s,
		&(struct gateway_call){.method = "GET", .path = "/app/info"}, d,
		&ignored);
	utf8_copy(out->version, sizeof(out->version), gateway_text(v, "version"));
	json_decref(v);
	return true;
}
