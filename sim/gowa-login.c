/* Pairing, and what ends it. */
#include "gowa.h"

#include "clock.h"
#include "ids.h"
#include "png.h"
#include "session.h"

#include <stdio.h>
#include <string.h>

#define REQUEST_MS 45000 /* GOWA's limit of any request */
#define PICTURE_MS 30000 /* life of a picture: half of the first QR's */

/* Whether a QR can be asked for; else the answer is made. */
static bool
may_pair(struct request *r, struct session *s)
{
	if (s->status == STATUS_WORKING) {
		gowa_reply_error(
			r, 400, "ALREADY_LOGGED_IN", "you are already logged in");
		return false;
	}
	if (!s->linked)
		return true;
	if (!session_running(s))
		session_start(r->gw, s);
	gowa_reply_error(r, 500, "SESSION_SAVED_ERROR",
		"your session have been saved, please wait to connect 2 second and "
		"refresh again");
	return false;
}

/* A new run for the device of the path, up to its first QR. NULL: the answer is made. */
static struct session *
pair(struct request *r, struct session *s)
{
	int64_t deadline = clock_in(REQUEST_MS);
	enum wait_end end = WAIT_WOKEN;

	if (session_running(s))
		session_stop(r->gw, s);
	json_object_set_new(s->own, "run", json_integer(r->epoch));
	session_start(r->gw, s);
	while (end == WAIT_WOKEN && s != NULL && s->status == STATUS_STARTING) {
		end = wait_until(r->gw, r->epoch, r->seg[1], deadline);
		s = request_session(r, r->seg[1]);
	}
	if (end == WAIT_OVER)
		r->end = REQUEST_RESET;
	else if (s != NULL && s->status == STATUS_SCAN_QR_CODE)
		return s;
	else if (end == WAIT_TIMEOUT)
		gowa_reply_error(
			r, 504, "GATEWAY_TIMEOUT", "context deadline exceeded");
	else
		gowa_reply_error(r, 500, "INTERNAL_SERVER_ERROR",
			"QR channel closed without receiving image");
	return NULL;
}

static void
show_picture(struct request *r, struct session *s)
{
	const char *host = request_header(r, "Host");
	char id[IDS_ULID_SIZE];

	ids_ulid(id, clock_wall_ms());
	json_object_set_new(s->own, "picture", json_sprintf("scan-qr-%s.png", id));
	json_object_set_new(s->own, "picture_value", json_string(s->qr));
	json_object_set_new(
		s->own, "picture_until", json_integer(clock_in(PICTURE_MS)));
	gowa_reply_begin(r, "Login success");
	text_add(&r->out, "{\"device_id\":");
	text_json(&r->out, s->name);
	text_addf(&r->out,
		",\"qr_duration\":30,\"qr_link\":\"http://%s/statics/qrcode/scan-qr-%s."
		"png\"}}",
		host != NULL ? host : "localhost", id);
}

void
gowa_login(struct request *r)
{
	struct session *s = gowa_device(r);

	if (s == NULL || !may_pair(r, s))
		return;
	s = pair(r, s);
	if (s != NULL)
		show_picture(r, s);
}

void
gowa_login_code(struct request *r)
{
	const char *phone = request_query(r, "phone");
	struct session *s;

	if (phone == NULL || strlen(phone) < 7 ||
		strspn(phone, "0123456789") != strlen(phone)) {
		gowa_reply_error(
			r, 400, "VALIDATION_ERROR", "phone_number: cannot be blank.");
		return;
	}
	s = gowa_device(r);
	if (s == NULL || !may_pair(r, s))
		return;
	if (s->status != STATUS_SCAN_QR_CODE)
		s = pair(r, s);
	if (s == NULL)
		return;
	gowa_reply_begin(r, "Login with code started");
	text_add(&r->out, "{\"device_id\":");
	text_json(&r->out, s->name);
	text_addf(&r->out, ",\"pair_code\":\"%s\"}}", session_pairing_code(s));
}

void
gowa_logout(struct request *r)
{
	struct session *s = gowa_device(r);

	if (s == NULL)
		return;
	session_logout(r->gw, s);
	gowa_reply_done(r, "Logout requested");
}

void
gowa_reconnect(struct request *r)
{
	struct session *s = gowa_device(r);

	if (s == NULL)
		return;
	if (!s->linked) {
		gowa_reply_device(r, s->name,
			json_object_get(s->own, "run") == NULL
				? "client not initialized"
				: "is not logged in (session deleted)");
		return;
	}
	if (session_running(s))
		session_stop(r->gw, s);
	session_start(r->gw, s);
	gowa_reply_done(r, "Reconnect requested");
}

void
gowa_status(struct request *r)
{
	const struct session *s = gowa_device(r);
	const char *state;

	if (s == NULL)
		return;
	state = s->linked ? gowa_state(s) : "disconnected";
	gowa_reply_begin(r, "Device status");
	text_add(&r->out, "{\"device_id\":");
	text_json(&r->out, s->name);
	text_addf(&r->out, ",\"is_connected\":%s,\"is_logged_in\":%s}}",
		strcmp(state, "disconnected") != 0 ? "true" : "false",
		strcmp(state, "logged_in") == 0 ? "true" : "false");
}

/* Of each device the newest picture only. */
void
gowa_picture(struct request *r)
{
	const struct session *s;
	const char *name;

	for (s = r->gw->sessions.first; s != NULL; s = s->next) {
		name = json_string_value(json_object_get(s->own, "picture"));
		if (name == NULL || strcmp(name, r->seg[2]) != 0 ||
			json_integer_value(json_object_get(s->own, "picture_until")) <
				clock_us())
			continue;
		r->type = "image/png";
		png_draw(json_string_value(json_object_get(s->own, "picture_value")),
			&r->out);
		return;
	}
	gowa_reply_text(r, 404, "Not Found");
}
