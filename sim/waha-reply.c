#include "waha-reply.h"
#include "waha.h"

#include "clock.h"
#include "reply.h"
#include "session.h"
#include "waha-event.h"

#include <stdlib.h>

void
waha_reply_error(struct request *r, unsigned status, const char *message)
{
	reply_begin(r, status);
	text_add(&r->out, "{\"message\":");
	text_json(&r->out, message);
	text_addf(&r->out, ",\"error\":\"%s\",\"statusCode\":%u}", reply_reason(status),
		status);
}

void
waha_reply_invalid(struct request *r, const char *messages)
{
	reply_begin(r, 400);
	text_addf(&r->out,
		"{\"message\":%s,\"error\":\"Bad Request\",\"statusCode\":400}",
		messages);
}

void
waha_reply_unauthorized(struct request *r)
{
	reply_begin(r, 401);
	text_add(&r->out, "{\"message\":\"Unauthorized\",\"statusCode\":401}");
}

void
waha_reply_no_route(struct request *r)
{
	struct text message = {0};

	text_addf(&message, "Cannot %s %s", r->method, r->path);
	waha_reply_error(r, 404, message.s);
	text_free(&message);
}

void
waha_reply_no_session(struct request *r)
{
	waha_reply_error(r, 404, "Session not found");
}

void
waha_reply_not_running(struct request *r, const char *name)
{
	struct text message = {0};

	text_addf(&message,
		"We didn't find a session with name '%s'.\n"
		"Please start it first by using POST /api/sessions/%s/start request",
		name, name);
	waha_reply_error(r, 404, message.s);
	text_free(&message);
}

void
waha_reply_unknown(struct request *r, const char *name)
{
	struct text message = {0};

	reply_begin(r, 422);
	text_addf(&message, "Session \"%s\" does not exist", name);
	text_add(&r->out, "{\"error\":");
	text_json(&r->out, message.s);
	text_add(&r->out, ",\"session\":");
	text_json(&r->out, name);
	text_add(&r->out, "}");
	text_free(&message);
}

void
waha_reply_wrong_status(
	struct request *r, const struct session *s, const char *expected)
{
	reply_begin(r, 422);
	text_addf(&r->out,
		"{\"error\":\"Session status is not as expected. Try again later or "
		"restart the session\",\"session\":\"%s\",\"status\":\"%s\","
		"\"expected\":[\"%s\"]}",
		s->name, status_name(s->status), expected);
}

void
waha_reply_exception(struct request *r, const char *name, const char *message)
{
	char now[32];
	char *body = r->body != NULL ? json_dumps(r->body, JSON_COMPACT) : NULL;

	clock_iso(now, sizeof now);
	reply_begin(r, 500);
	text_addf(&r->out,
		"{\"statusCode\":500,\"timestamp\":\"%s\",\"exception\":{"
		"\"message\":",
		now);
	text_json(&r->out, message);
	text_addf(&r->out,
		",\"name\":\"%s\",\"stack\":\"%s: simulated\"},\"request\":{"
		"\"path\":",
		name, name);
	text_json(&r->out, r->path);
	text_addf(&r->out,
		",\"method\":\"%s\",\"body\":%s,\"query\":{}},\"version\":", r->method,
		body != NULL ? body : "{}");
	waha_event_add_environment(r->gw, &r->out);
	text_add(&r->out, "}");
	free(body);
}
