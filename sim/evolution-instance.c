/* Evolution: an instance's life. */
#include "evolution.h"

#include "clock.h"
#include "fault.h"
#include "ids.h"
#include "kind.h"
#include "reply.h"
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPENING_MS 300 /* until it says so: it asks for WhatsApp's version first */
#define CONNECT_WAIT_MS 2000 /* of a connect that starts the socket */
#define DELETE_MS 1000       /* until a deleted instance is gone from the database */
#define IN_BAND "{\"error\":true,\"message\":\"[object Object]\"}"

static void
make_uuid(char out[37])
{
	unsigned char b[16];

	ids_random(b, sizeof b);
	snprintf(out, 37,
		"%02x%02x%02x%02x-%02x%02x-4%x%02x-a%x%02x-%02x%02x%02x%02x%02x%02x",
		b[0], b[1], b[2], b[3], b[4], b[5], b[6] & 15, b[7], b[8] & 15, b[9],
		b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* What create says of webhooks, or false if it is refused. v1 takes a URL and its
   companions, v2 an object. */
static bool
take_webhook(struct request *r, json_t **hook)
{
	json_t *given = json_object_get(r->body, "webhook"), *events;

	*hook = NULL;
	if (evolution_is_v1(r->gw)) {
		events = json_object_get(r->body, "events");
		if (json_is_string(given))
			*hook = json_pack("{s:b, s:O, s:O?}", "enabled", 1, "url",
				given, "events", events);
		return true;
	}
	if (!json_is_object(given))
		return true;
	if (!json_is_array(json_object_get(given, "events"))) {
		evolution_refuse(r, 400,
			"Cannot read properties of undefined (reading 'length')");
		return false;
	}
	*hook = json_copy(given);
	json_object_set_new(*hook, "enabled", json_true());
	return true;
}

static void
answer_created(struct request *r, const struct session *s)
{
	const char *id = evolution_get(s, "id"), *token = evolution_get(s, "token");
	const json_t *url = json_object_get(json_object_get(s->own, "webhook"), "url");

	text_add(&r->out, "{\"instance\":{\"instanceName\":");
	text_json(&r->out, s->name);
	text_addf(&r->out, ",\"instanceId\":\"%s\",", id);
	if (evolution_is_v1(r->gw)) {
		text_add(&r->out, "\"status\":\"created\"},\"hash\":{\"apikey\":");
		text_json(&r->out, token);
		text_add(&r->out, "},\"webhook\":");
		text_json(&r->out, json_string_value(url));
	} else {
		text_add(&r->out,
			"\"integration\":\"WHATSAPP-BAILEYS\",\"webhookWaBusiness\":"
			"null,\"accessTokenWaBusiness\":\"\",\"status\":\"close\"},"
			"\"hash\":");
		text_json(&r->out, token);
		text_add(&r->out, ",\"webhook\":{\"webhookUrl\":");
		text_json(&r->out, json_string_value(url));
		text_add(&r->out, "},\"websocket\":{},\"rabbitmq\":{}");
	}
	text_add(&r->out, ",\"settings\":{}}");
}

void
evolution_create(struct request *r)
{
	const char *name = request_string(r, "instanceName");
	const char *token = request_string(r, "token");
	const char *integration = request_string(r, "integration");
	char id[37], made[37], now[32];
	struct session *s;
	json_t *hook;

	if (name == NULL || strlen(name) > SESSION_NAME_MAX) {
		evolution_fail(r, 400,
			"[[\"instance requires property \\\"instanceName\\\"\"]]");
		return;
	}
	if (!evolution_is_v1(r->gw) &&
		(integration == NULL || strcmp(integration, "WHATSAPP-BAILEYS") != 0)) {
		evolution_refuse(r, 400, "Invalid integration");
		return;
	}
	if (!take_webhook(r, &hook))
		return;
	make_uuid(id);
	make_uuid(made);
	clock_iso(now, sizeof now);
	s = session_new(r->gw, name);
	s->has_webhooks = hook != NULL;
	s->own = json_pack("{s:s, s:s, s:o, s:s, s:n, s:n, s:n, s:n, s:i, s:s, s:s}",
		"id", id, "token", token != NULL ? token : made, "webhook",
		hook != NULL ? hook : json_null(), "db", "close", "owner", "profile",
		"reason", "qr", "count", 0, "createdAt", now, "updatedAt", now);
	evolution_event(r->gw, s, "instance.create", NULL);
	answer_created(r, s);
}

/* The QR object, which outlives its use. */
static void
answer_qr(struct request *r, const struct session *s)
{
	json_t *qr = json_object_get(s->own, "qr");
	char *dumped;

	if (json_is_null(qr)) {
		text_add(&r->out, "{\"count\":0}");
		return;
	}
	dumped = json_dumps(qr, JSON_COMPACT);
	text_add(&r->out, dumped);
	free(dumped);
}

static void
answer_state(struct request *r, const struct session *s, const char *state)
{
	text_add(&r->out, "{\"instance\":{\"instanceName\":");
	text_json(&r->out, s->name);
	if (state != NULL)
		text_addf(&r->out, ",\"state\":\"%s\"", state);
	text_add(&r->out, "}}");
}

/* Version 1 swallows the error altogether. */
static void
answer_in_band(struct request *r)
{
	if (!evolution_is_v1(r->gw))
		text_add(&r->out, IN_BAND);
}

void
evolution_connect(struct request *r)
{
	struct session *s = request_session(r, r->seg[2]);
	const char *state = evolution_state(s), *number = request_query(r, "number");

	if (state == NULL) {
		answer_in_band(r);
		return;
	}
	if (strcmp(state, "open") == 0) {
		answer_state(r, s, state);
		return;
	}
	if (strcmp(state, "close") == 0) {
		evolution_set(s, "number", number);
		if (s->status != STATUS_STARTING) {
			if (!request_sleep(r, OPENING_MS))
				return;
			s = request_session(r, r->seg[2]);
			/* one more socket, whatever the others do */
			if (s != NULL)
				session_start(r->gw, s);
		}
		if (!request_sleep(r, CONNECT_WAIT_MS))
			return;
		s = request_session(r, r->seg[2]);
	}
	if (s != NULL)
		answer_qr(r, s);
}

void
evolution_connection_state(struct request *r)
{
	const struct session *s = request_session(r, r->seg[2]);
	const char *state = evolution_state(s);

	if (fault_roll(r->gw, FAULT_GHOST, r->session, r->path) != NULL)
		state = NULL;
	answer_state(r, s, state);
}

void
evolution_restart(struct request *r)
{
	struct session *s = request_session(r, r->seg[2]);
	const char *state = evolution_state(s);
	bool open = state != NULL && strcmp(state, "open") == 0;
	bool running = open || (state != NULL && strcmp(state, "connecting") == 0);

	if (evolution_is_v1(r->gw)) {
		if (open)
			session_start(r->gw, s);
		answer_state(r, s, evolution_state(s));
		return;
	}
	if (!running) {
		text_add(&r->out, IN_BAND);
		return;
	}
	session_start(r->gw, s);
	answer_qr(r, s);
}

void
evolution_logout(struct request *r)
{
	struct session *s = request_session(r, r->seg[2]);
	const char *state = evolution_state(s);

	if (state != NULL && strcmp(state, "close") == 0 && s->network_down) {
		evolution_refuse(r, 500, "Error: Connection Closed");
	} else if (state == NULL || strcmp(state, "close") == 0) {
		evolution_refuse(
			r, 400, "The \"%s\" instance is not connected", s->name);
	} else {
		session_logout(r->gw, s);
		text_add(&r->out,
			"{\"status\":\"SUCCESS\",\"error\":false,\"response\":{"
			"\"message\":\"Instance logged out\"}}");
	}
}

/* The end of a deletion, which nobody waits for. */
static void
reap(struct gateway *gw, struct timer *t)
{
	session_delete(gw, TIMER_OWNER(t, struct session, timer));
}

void
evolution_delete(struct request *r)
{
	struct session *s = request_session(r, r->seg[2]);
	const char *state = evolution_state(s);

	if (evolution_is_v1(r->gw) && state != NULL && strcmp(state, "open") == 0) {
		evolution_refuse(r, 400, "The \"%s\" instance needs to be disconnected",
			s->name);
		return;
	}
	if (session_running(s) && s->status != STATUS_FAILED)
		session_logout(r->gw, s);
	if (fault_roll(r->gw, FAULT_DELETE_LINGERS, s->name, r->path) == NULL &&
		state != NULL) {
		evolution_event(r->gw, s, "instance.delete", NULL);
		evolution_event(r->gw, s, "remove.instance", "null");
		json_object_set_new(s->own, "gone", json_true());
		s->timer.fire = reap;
		gateway_arm(r->gw, &s->timer, DELETE_MS);
	}
	text_add(&r->out,
		"{\"status\":\"SUCCESS\",\"error\":false,\"response\":{"
		"\"message\":\"Instance deleted\"}}");
}

/* A row of the database, which is not always what the process knows. */
static void
add_row(const struct session *s, struct text *out)
{
	json_t *o = s->own;
	json_t *row = json_pack("{s:O, s:s, s:O, s:O, s:O, s:n, s:s, s:n, s:n, s:O, "
				"s:s, s:O, s:n, s:O, s:O}",
		"id", json_object_get(o, "id"), "name", s->name, "connectionStatus",
		json_object_get(o, "db"), "ownerJid", json_object_get(o, "owner"),
		"profileName", json_object_get(o, "profile"), "profilePicUrl",
		"integration", "WHATSAPP-BAILEYS", "number", "businessId", "token",
		json_object_get(o, "token"), "clientName", "evolution",
		"disconnectionReasonCode", json_object_get(o, "reason"),
		"disconnectionObject", "createdAt", json_object_get(o, "createdAt"),
		"updatedAt", json_object_get(o, "updatedAt"));
	char *dumped = json_dumps(row, JSON_COMPACT);

	text_add(out, dumped);
	free(dumped);
	json_decref(row);
}

static void
add_v1(const struct session *s, struct text *out)
{
	const char *state = evolution_state(s);

	text_add(out, "{\"instance\":{\"instanceName\":");
	text_json(out, s->name);
	text_addf(out, ",\"instanceId\":\"%s\",", evolution_get(s, "id"));
	if (state != NULL && strcmp(state, "open") == 0) {
		text_add(out, "\"owner\":");
		text_json(out, evolution_get(s, "owner"));
		text_add(out, ",\"profileName\":");
		text_json(out, evolution_get(s, "profile"));
		text_add(out, ",\"profilePictureUrl\":null,");
	}
	text_addf(out, "\"status\":\"%s\",\"serverUrl\":\"http://localhost:8080\",",
		state != NULL ? state : "close");
	text_add(out, "\"apikey\":");
	text_json(out, evolution_get(s, "token"));
	text_add(out, "}}");
}

void
evolution_list(struct request *r)
{
	const char *name = request_query(r, "instanceName");
	bool v1 = evolution_is_v1(r->gw), first = true;
	const struct session *s;

	if (name != NULL && request_session(r, name) == NULL) {
		evolution_refuse(r, 404, "Instance \"%s\" not found", name);
		return;
	}
	if (v1 && name != NULL) {
		add_v1(request_session(r, name), &r->out);
		return;
	}
	text_add(&r->out, "[");
	for (s = r->gw->sessions.first; s != NULL; s = s->next) {
		if (name != NULL && strcmp(name, s->name) != 0)
			continue;
		if (!first)
			text_add(&r->out, ",");
		first = false;
		if (v1)
			add_v1(s, &r->out);
		else
			add_row(s, &r->out);
	}
	text_add(&r->out, "]");
}
