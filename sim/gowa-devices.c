/* Devices: the list, one of them, making and removing, webhooks. */
#include "gowa.h"

#include "clock.h"
#include "fault.h"
#include "ids.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void
add_member(struct text *out, const char *name, const char *value, bool always)
{
	if (!always && (value == NULL || *value == '\0'))
		return;
	text_addf(out, "\"%s\":", name);
	text_json(out, value != NULL ? value : "");
	text_add(out, ",");
}

/* A device as lists have it, where what is empty is left out, or (full) as creating
   answers it. */
static void
add_device(struct text *out, const struct session *s, bool full)
{
	struct text jid = {0};

	gowa_add_jid(&jid, s, false);
	text_add(out, "{");
	add_member(out, "id", s->name, true);
	if (!full)
		add_member(out, "phone_number", s->linked ? s->phone : NULL, false);
	add_member(out, "display_name", s->linked ? s->push_name : NULL, full);
	add_member(out, "state", gowa_state(s), true);
	add_member(out, "jid", jid.len > 0 ? jid.s : NULL, full);
	text_addf(out, "\"created_at\":\"%s\"}",
		json_string_value(json_object_get(s->own, "created_at")));
	text_free(&jid);
}

void
gowa_devices_list(struct request *r)
{
	const struct session *s = r->gw->sessions.first;

	gowa_reply_begin(r, "List devices");
	text_add(&r->out, s == NULL ? "null" : "[");
	for (; s != NULL; s = s->next) {
		add_device(&r->out, s, false);
		text_add(&r->out, s->next != NULL ? "," : "]");
	}
	text_add(&r->out, "}");
}

/* The members of a webhook, from the body into what is known of the device. */
static void
take_webhook(struct session *s, const json_t *body)
{
	static const char *const members[] = {
		"webhook_url", "webhook_secret", "webhook_events"};
	const char *value;
	size_t i;

	for (i = 0; i < sizeof members / sizeof members[0]; i++) {
		value = json_string_value(json_object_get(body, members[i]));
		json_object_set_new(
			s->own, members[i], json_string(value != NULL ? value : ""));
	}
	s->has_webhooks =
		*json_string_value(json_object_get(s->own, "webhook_url")) != '\0';
}

static struct session *
make(struct request *r, const char *name)
{
	struct session *s = session_new(r->gw, name);
	time_t now = (time_t)(clock_wall_ms() / 1000);
	char stamp[24];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &tm);
	s->own = json_pack("{s:s}", "created_at", stamp);
	take_webhook(s, r->body);
	return s;
}

void
gowa_device_create(struct request *r)
{
	const char *given = request_string(r, "device_id");
	char name[SESSION_NAME_MAX + 1] = "device-";

	if (!json_is_object(r->body) ||
		(given != NULL && strlen(given) > SESSION_NAME_MAX)) {
		gowa_reply_error(r, 400, "BAD_REQUEST", "Invalid request body");
		return;
	}
	if (given != NULL && *given != '\0')
		strcpy(name, given);
	else
		ids_ulid(name + strlen(name), clock_wall_ms());
	if (request_session(r, name) != NULL) {
		gowa_reply_device(r, name, "already exists");
		return;
	}
	gowa_reply_begin(r, "Device added");
	add_device(&r->out, make(r, name), true);
	text_add(&r->out, "}");
}

void
gowa_device_get(struct request *r)
{
	const struct session *s = gowa_device(r);

	if (s == NULL)
		return;
	if (fault_roll(r->gw, FAULT_GHOST, r->session, r->path) != NULL) {
		gowa_reply_device(r, s->name, "not found");
		return;
	}
	gowa_reply_begin(r, "Device info");
	add_device(&r->out, s, false);
	text_add(&r->out, "}");
}

/* What is not there is removed. */
void
gowa_device_delete(struct request *r)
{
	struct session *s = request_session(r, r->seg[1]);
	bool lingers =
		fault_roll(r->gw, FAULT_DELETE_LINGERS, r->session, r->path) != NULL;

	if (s != NULL && lingers)
		session_stop(r->gw, s);
	else if (s != NULL)
		session_delete(r->gw, s);
	gowa_reply_done(r, "Device removed");
}

static void
show_webhook(struct request *r, const struct session *s, const char *message)
{
	static const char *const members[] = {
		"webhook_url", "webhook_secret", "webhook_events"};
	size_t i;

	gowa_reply_begin(r, message);
	text_add(&r->out, "{\"device_id\":");
	text_json(&r->out, s->name);
	for (i = 0; i < sizeof members / sizeof members[0]; i++) {
		text_addf(&r->out, ",\"%s\":", members[i]);
		text_json(&r->out,
			json_string_value(json_object_get(s->own, members[i])));
	}
	text_add(&r->out,
		",\"webhook_insecure_skip_verify\":false,"
		"\"webhook_ignore_groups\":null}}");
}

/* Here an unknown device is a 404. */
static struct session *
find_for_webhook(struct request *r)
{
	struct session *s = request_session(r, r->seg[1]);

	if (s == NULL)
		gowa_reply_error(r, 404, "NOT_FOUND", "device not found");
	return s;
}

void
gowa_webhook_get(struct request *r)
{
	struct session *s = find_for_webhook(r);

	if (s != NULL)
		show_webhook(r, s, "Device webhook retrieved");
}

void
gowa_webhook_set(struct request *r)
{
	struct session *s;

	if (request_string(r, "webhook_url") == NULL) {
		gowa_reply_error(r, 400, "BAD_REQUEST", "webhook_url is required");
		return;
	}
	s = find_for_webhook(r);
	if (s == NULL)
		return;
	take_webhook(s, r->body);
	show_webhook(r, s, "Device webhook updated");
}
