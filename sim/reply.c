#include "reply.h"

#include "clock.h"
#include "event.h"
#include "session.h"

#include <stdlib.h>

/* Begin the answer anew. */
static void
restart(struct request *r, unsigned status)
{
	text_free(&r->out);
	r->status = status;
	r->type = "application/json; charset=utf-8";
}

static const char *
reason(unsigned status)
{
	switch (status) {
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 413:
		return "Payload Too Large";
	case 422:
		return "Unprocessable Entity";
	case 429:
		return "Too Many Requests";
	case 500:
		return "Internal Server Error";
	case 502:
		return "Bad Gateway";
	case 503:
		return "Service Unavailable";
	case 504:
		return "Gateway Timeout";
	default:
		return "Error";
	}
}

void
reply_error(struct request *r, unsigned status, const char *message)
{
	restart(r, status);
	text_add(&r->out, "{\"message\":");
	text_json(&r->out, message);
	text_addf(&r->out, ",\"error\":\"%s\",\"statusCode\":%u}", reason(status),
		status);
}

void
reply_invalid(struct request *r, const char *messages)
{
	restart(r, 400);
	text_addf(&r->out,
		"{\"message\":%s,\"error\":\"Bad Request\",\"statusCode\":400}",
		messages);
}

void
reply_unauthorized(struct request *r)
{
	restart(r, 401);
	text_add(&r->out, "{\"message\":\"Unauthorized\",\"statusCode\":401}");
}

void
reply_no_route(struct request *r)
{
	struct text message = {0};

	text_addf(&message, "Cannot %s %s", r->method, r->path);
	reply_error(r, 404, message.s);
	text_free(&message);
}

void
reply_no_session(struct request *r)
{
	reply_error(r, 404, "Session not found");
}

void
reply_not_running(struct request *r, const char *name)
{
	struct text message = {0};

	text_addf(&message,
		"We didn't find a session with name '%s'.\n"
		"Please start it first by using POST /api/sessions/%s/start request",
		name, name);
	reply_error(r, 404, message.s);
	text_free(&message);
}

void
reply_unknown(struct request *r, const char *name)
{
	struct text message = {0};

	restart(r, 422);
	text_addf(&message, "Session \"%s\" does not exist", name);
	text_add(&r->out, "{\"error\":");
	text_json(&r->out, message.s);
	text_add(&r->out, ",\"session\":");
	text_json(&r->out, name);
	text_add(&r->out, "}");
	text_free(&message);
}

void
reply_wrong_status(struct request *r, const struct session *s, const char *expected)
{
	restart(r, 422);
	text_addf(&r->out,
		"{\"error\":\"Session status is not as expected. Try again later or "
		"restart the session\",\"session\":\"%s\",\"status\":\"%s\","
		"\"expected\":[\"%s\"]}",
		s->name, status_name(s->status), expected);
}

void
reply_exception(struct request *r, const char *name, const char *message)
{
	char now[32];
	char *body = r->body != NULL ? json_dumps(r->body, JSON_COMPACT) : NULL;

	clock_iso(now, sizeof now);
	restart(r, 500);
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
	event_add_environment(r->gw, &r->out);
	text_add(&r->out, "}");
	free(body);
}

void
reply_control_error(struct request *r, unsigned status, const char *message)
{
	restart(r, status);
	text_add(&r->out, "{\"error\":");
	text_json(&r->out, message);
	text_add(&r->out, "}");
}
