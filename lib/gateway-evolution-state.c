/*
 * Evolution: asking it anything, and what state an instance is in. The database
 * (fetchInstances) and the process (connectionState) are both asked, since each lies in
 * its own way: the row keeps the last owner and, after the limit of QRs, "connecting";
 * the process says "close" while it reconnects.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/gateway-evolution-int.h"
#include "lib/utf8.h"

#define QR_STALE_S 120 /* a QR is renewed every 45 s; after its limit, never again */

static void
auth(const struct server *s, struct buf *line)
{
	if (*s->key != '\0')
		buf_printf(line, "apikey: %s", s->key);
}

/* True if a message holds the text: it is a text, an array of them, or of arrays. */
static bool
says(const json_t *message, const char *text)
{
	const json_t *one;
	size_t i;

	if (json_is_string(message))
		return strstr(json_string_value(message), text) != NULL;
	json_array_foreach(message, i, one)
		if (says(one, text))
			return true;
	return false;
}

static bool
is_nobody(const json_t *message)
{
	const json_t *exists = json_object_get(json_array_get(message, 0), "exists");

	return json_is_false(exists);
}

static enum err_code
judge(int status, const json_t *v)
{
	const json_t *message =
		json_object_get(json_object_get(v, "response"), "message");

	if (status < 300)
		return json_is_true(json_object_get(v, "error")) ? ERR_CONFLICT
								 : ERR_NONE;
	if (status == 403 && says(message, "already in use"))
		return ERR_CONFLICT;
	if (status == 404) /* "Cannot PUT ..." is another version */
		return says(message, "does not exist") || says(message, "not found")
			? ERR_NOT_FOUND
			: ERR_PROTOCOL;
	if (status == 400 && is_nobody(message))
		return ERR_INPUT;
	if (status == 400 &&
		(says(message, "not connected") ||
			says(message, "to be disconnected") ||
			says(message, "[object Object]")))
		return ERR_CONFLICT;
	if (status == 500 && says(message, "Connection Closed"))
		return ERR_CONFLICT;
	if (status == 503 && json_object_get(v, "register_url") != NULL)
		return ERR_CONFIG; /* LICENSE_REQUIRED: waiting does not help */
	return gateway_judge(status, v);
}

const struct gateway_dialect evolution_dialect = {
	.product = "Evolution", .auth = auth, .judge = judge};

bool
evolution_command(struct http *h, const struct server *s,
	const struct gateway_call *call, deadline_t d, struct err *e)
{
	return gateway_command(&evolution_dialect, h, s, call, d, e);
}

json_t *
evolution_fetch(struct http *h, const struct server *s, const struct gateway_call *call,
	deadline_t d, struct err *e)
{
	return gateway_fetch(&evolution_dialect, h, s, call, d, e);
}

bool
evolution_version(struct http *h, const struct server *s, char *out, size_t size,
	deadline_t d, struct err *e)
{
	json_t *v = evolution_fetch(
		h, s, &(struct gateway_call){.method = "GET", .path = "/"}, d, e);
	const char *version = gateway_text(v, "version");
	bool ok = version != NULL;

	if (v != NULL && !ok)
		err_set(e, ERR_PROTOCOL, "this is not Evolution: it has no version");
	utf8_copy(out, size, version);
	json_decref(v);
	return ok;
}

bool
evolution_is_v1(
	struct http *h, const struct server *s, bool *v1, deadline_t d, struct err *e)
{
	char version[33];

	utf8_copy(version, sizeof(version), s->version);
	if (*version == '\0' &&
		!evolution_version(h, s, version, sizeof(version), d, e))
		return false;
	*v1 = strncmp(version, "1.", 2) == 0;
	return true;
}

/* --- state */

/* An instance as the database has it. Texts are borrowed from the answer. */
struct row {
	const char *name, *status, *owner, *profile, *token, *updated;
	bool v1;    /* status is then the process's */
	bool final; /* WhatsApp ended it for good */
};

static bool
read_row(const json_t *o, struct row *row, struct err *e)
{
	const json_t *v1 = json_object_get(o, "instance");

	if (v1 != NULL)
		*row = (struct row){.name = gateway_text(v1, "instanceName"),
			.status = gateway_text(v1, "status"),
			.owner = gateway_text(v1, "owner"),
			.profile = gateway_text(v1, "profileName"),
			.token = gateway_text(v1, "apikey"),
			.v1 = true};
	else
		*row = (struct row){.name = gateway_text(o, "name"),
			.status = gateway_text(o, "connectionStatus"),
			.owner = gateway_text(o, "ownerJid"),
			.profile = gateway_text(o, "profileName"),
			.token = gateway_text(o, "token"),
			.updated = gateway_text(o, "updatedAt"),
			.final = evolution_is_final(json_integer_value(
				json_object_get(o, "disconnectionReasonCode")))};
	return (row->name != NULL && row->status != NULL) ||
		err_set(e, ERR_PROTOCOL, "Evolution's instance has no name or status");
}

/* Each new QR touches the row. */
static bool
is_fresh(const struct row *row)
{
	struct tm tm = {0};

	return row->updated == NULL ||
		strptime(row->updated, "%Y-%m-%dT%H:%M:%S", &tm) == NULL ||
		clock_wall_ms() / 1000 - timegm(&tm) < QR_STALE_S;
}

static enum session_state
closed_state(const struct row *row)
{
	return row->final || row->owner != NULL ? SESSION_FAILED : SESSION_STOPPED;
}

/* What the process ("open", "connecting", "close") and the row say together. */
static enum session_state
live_state(const char *live, const struct row *row)
{
	if (strcmp(live, "open") == 0)
		return SESSION_WORKING;
	if (strcmp(live, "connecting") == 0)
		return strcmp(row->status, "connecting") == 0 ? SESSION_SCAN
							      : SESSION_STARTING;
	if (strcmp(live, "close") != 0)
		return SESSION_OTHER;
	if (strcmp(row->status, "open") == 0)
		return SESSION_STARTING;            /* it reconnects by itself */
	if (strcmp(row->status, "connecting") == 0) /* scanned just now, or given up */
		return is_fresh(row) ? SESSION_STARTING : SESSION_FAILED;
	return closed_state(row);
}

/* What the row says alone, in a list. Version 1 tells a pairing and a reconnection by
 * one word, which is kept: to take the one for the other would log out a phone. */
static enum session_state
listed_state(const struct row *row)
{
	if (strcmp(row->status, "open") == 0)
		return SESSION_WORKING;
	if (strcmp(row->status, "close") == 0)
		return row->v1 ? SESSION_STOPPED : closed_state(row);
	if (strcmp(row->status, "connecting") == 0 && !row->v1)
		return is_fresh(row) ? SESSION_SCAN : SESSION_FAILED;
	return SESSION_OTHER;
}

static bool
fill_session(const struct row *row, enum session_state state, const char *word,
	struct session *out, struct err *e)
{
	const char *dot = row->token != NULL ? strchr(row->token, '.') : NULL;
	bool paired = state == SESSION_WORKING || state == SESSION_STARTING;

	if (!gateway_named(out, row->name))
		return err_set(
			e, ERR_PROTOCOL, "Evolution's name is empty or too long");
	out->state = state;
	utf8_copy(out->word, sizeof(out->word),
		state == SESSION_OTHER ? word : gateway_word(state));
	/* the owner stays in the row when he has left */
	utf8_copy(out->phone, sizeof(out->phone), paired ? row->owner : NULL);
	utf8_copy(out->profile, sizeof(out->profile), paired ? row->profile : NULL);
	if (dot != NULL && dot - row->token == sizeof(out->pool_id) - 1)
		utf8_copy(out->pool_id, sizeof(out->pool_id), row->token);
	return true;
}

bool
evolution_live_word(struct http *h, const struct server *s, const char *name,
	char word[51], deadline_t d, struct err *e)
{
	json_t *v = evolution_fetch(h, s,
		&(struct gateway_call){.method = "GET",
			.path = "/instance/connectionState/%s",
			.name = name,
			.repeat = true},
		d, e);
	const json_t *o = json_object_get(v, "instance");
	const char *state = gateway_text(o, "state");
	bool ok = state != NULL;

	if (v != NULL && o == NULL)
		err_set(e, ERR_PROTOCOL, "Evolution's answer has no instance");
	else if (v != NULL && !ok)
		err_set(e, ERR_NOT_FOUND, "the instance is in the database only");
	utf8_copy(word, 51, state);
	json_decref(v);
	return ok;
}

json_t *
evolution_current_qr(struct http *h, const struct server *s, const char *name,
	deadline_t d, struct err *e)
{
	return evolution_fetch(h, s,
		&(struct gateway_call){
			.method = "GET", .path = "/instance/connect/%s", .name = name},
		d, e);
}

static enum session_state
v1_state(struct http *h, const struct server *s, const char *name, const char *live,
	deadline_t d)
{
	enum session_state state = SESSION_STARTING;
	json_t *qr;

	if (strcmp(live, "open") == 0)
		return SESSION_WORKING;
	if (strcmp(live, "close") == 0)
		return SESSION_STOPPED;
	if (strcmp(live, "connecting") != 0)
		return SESSION_OTHER;
	qr = evolution_current_qr(h, s, name, d, NULL);
	if (gateway_text(qr, "code") != NULL)
		state = SESSION_SCAN;
	json_decref(qr);
	return state;
}

bool
evolution_state(struct http *h, const struct server *s, const char *name,
	struct session *out, deadline_t d, struct err *e)
{
	enum session_state state;
	char word[51];
	struct row row;
	json_t *v;
	bool ok = false;

	if (!evolution_live_word(h, s, name, word, d, e))
		return false;
	v = evolution_fetch(h, s,
		&(struct gateway_call){.method = "GET",
			.path = "/instance/fetchInstances?instanceName=%s",
			.name = name,
			.repeat = true},
		d, e);
	if (v != NULL &&
		read_row(json_is_array(v) ? json_array_get(v, 0) : v, &row, e)) {
		state = row.v1 ? v1_state(h, s, name, word, d) : live_state(word, &row);
		ok = fill_session(&row, state, word, out, e);
	}
	json_decref(v);
	return ok;
}

static bool
read_listed(const json_t *o, struct session *out, struct err *e)
{
	struct row row;

	if (!read_row(o, &row, e)) {
		gateway_named(out, row.name);
		return false;
	}
	return fill_session(&row, listed_state(&row), row.status, out, e);
}

bool
evolution_list(struct http *h, const struct server *s, session_fn *each, void *ctx,
	deadline_t d, struct err *e)
{
	return gateway_read_list(&evolution_dialect,
		evolution_fetch(h, s,
			&(struct gateway_call){.method = "GET",
				.path = "/instance/fetchInstances",
				.max_answer = GATEWAY_LIST_MAX,
				.repeat = true},
			d, e),
		read_listed, each, ctx, e);
}
