/* What phones, people and networks do to a session. */
#include "control.h"

#include "kind.h"
#include "message.h"
#include "reply.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>

static void
add_session(const struct gateway *gw, const struct session *s, struct text *out)
{
	text_addf(out,
		"{\"name\":\"%s\",\"status\":\"%s\",\"server\":\"%s\",\"qr\":", s->name,
		status_name(s->status), gw->name);
	text_json(out, s->qr);
	text_add(out, ",\"code\":");
	text_json(out, s->code);
	text_add(out, ",\"phone\":");
	text_json(out, s->phone);
	text_add(out, ",\"pushName\":");
	text_json(out, s->push_name);
	text_addf(out,
		",\"generation\":%u,\"linked\":%s,\"networkDown\":%s,\"qrShown\":%d}",
		s->generation, s->linked ? "true" : "false",
		s->network_down ? "true" : "false", s->qr_shown);
}

/* Whether the query's filters let the session through. */
static bool
wanted(const struct request *r, const struct session *s)
{
	const char *name = request_query(r, "name");
	const char *part = request_query(r, "contains");
	const char *status = request_query(r, "status");

	return (name == NULL || strcmp(name, s->name) == 0) &&
		(part == NULL || strstr(s->name, part) != NULL) &&
		(status == NULL || strcmp(status, status_name(s->status)) == 0);
}

void
control_list(struct request *r)
{
	const char *limit = request_query(r, "limit");
	long left = limit != NULL ? strtol(limit, NULL, 10) : -1;
	const struct session *s;
	bool first = true;

	text_add(&r->out, "[");
	for (s = r->gw->sessions.first; s != NULL && left != 0; s = s->next) {
		if (!wanted(r, s))
			continue;
		if (!first)
			text_add(&r->out, ",");
		first = false;
		add_session(r->gw, s, &r->out);
		left--;
	}
	text_add(&r->out, "]");
}

/* The session of the path; NULL: there is none, and the answer is made. */
static struct session *
find(struct request *r)
{
	struct session *s = request_session(r, r->seg[2]);

	if (s == NULL)
		reply_control_error(r, 404, "no such session");
	return s;
}

/* 409 that says in which status the session is. */
static void
conflict(struct request *r, const struct session *s, const char *why)
{
	struct text message = {0};

	text_addf(
		&message, "%s: session %s is %s", why, s->name, status_name(s->status));
	reply_control_error(r, 409, message.s);
	text_free(&message);
}

static bool
is_phone(const char *phone)
{
	size_t n = phone != NULL ? strlen(phone) : 0;

	return n >= 5 && n <= 15 && strspn(phone, "0123456789") == n;
}

void
control_scan(struct request *r)
{
	struct session *s = find(r);
	const char *phone = request_string(r, "phone");
	const char *qr = request_string(r, "qr");

	if (s == NULL)
		return;
	if (phone != NULL && phone[0] == '+')
		phone++;
	if (!is_phone(phone)) {
		reply_control_error(r, 400, "phone must be a string of 5 to 15 digits");
		return;
	}
	if (qr != NULL && (s->qr == NULL || strcmp(qr, s->qr) != 0)) {
		conflict(r, s, "this QR is not the current one");
		return;
	}
	if (session_scan(r->gw, s, phone, request_string(r, "pushName")))
		add_session(r->gw, s, &r->out);
	else
		conflict(r, s, "there is no QR to scan now");
}

void
control_drop(struct request *r)
{
	struct session *s = find(r);

	if (s == NULL)
		return;
	session_drop(r->gw, s);
	add_session(r->gw, s, &r->out);
}

void
control_restore(struct request *r)
{
	struct session *s = find(r);

	if (s == NULL)
		return;
	session_restore(r->gw, s);
	add_session(r->gw, s, &r->out);
}

void
control_logout(struct request *r)
{
	struct session *s = find(r);

	if (s == NULL)
		return;
	if (session_phone_logout(r->gw, s))
		add_session(r->gw, s, &r->out);
	else
		conflict(r, s, "it is not linked to a phone");
}

void
control_message(struct request *r)
{
	struct session *s = find(r);
	char chat[MESSAGE_CHAT_SIZE];
	struct message m = {.chat = chat, .text = request_string(r, "text")};

	if (s == NULL)
		return;
	if (m.text == NULL ||
		!message_chat(
			request_string(r, "from"), r->gw->kind->user_domain, chat)) {
		reply_control_error(
			r, 400, "from must be a phone or a chat, text a string");
		return;
	}
	if (s->status != STATUS_WORKING) {
		conflict(r, s, "no message can arrive");
		return;
	}
	message_receive(r->gw, s, &m);
	text_addf(&r->out, "{\"id\":\"%s\"}", m.id);
}
