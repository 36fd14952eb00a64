#include "gowa.h"

#include "reply.h"
#include "session.h"

void
gowa_reply_begin(struct request *r, const char *message)
{
	reply_begin(r, 200);
	text_add(&r->out, "{\"code\":\"SUCCESS\",\"message\":");
	text_json(&r->out, message);
	text_add(&r->out, ",\"results\":");
}

void
gowa_reply_done(struct request *r, const char *message)
{
	gowa_reply_error(r, 200, "SUCCESS", message);
}

void
gowa_reply_error(
	struct request *r, unsigned status, const char *code, const char *message)
{
	reply_begin(r, status);
	text_addf(&r->out, "{\"code\":\"%s\",\"message\":", code);
	text_json(&r->out, message);
	text_add(&r->out, "}");
}

void
gowa_reply_status(struct request *r, unsigned status, const char *message)
{
	static const struct {
		unsigned status;
		const char *code;
	} codes[] = {
		{400, "BAD_REQUEST"},
		{404, "NOT_FOUND"},
		{429, "WA_REACHOUT_TIMELOCK"},
		{503, "DEVICE_MANAGER_UNAVAILABLE"},
		{504, "GATEWAY_TIMEOUT"},
	};
	const char *code = "INTERNAL_SERVER_ERROR";
	size_t i;

	if (status == 401) {
		gowa_reply_text(r, status, "Unauthorized");
		return;
	}
	for (i = 0; i < sizeof codes / sizeof codes[0]; i++)
		if (codes[i].status == status)
			code = codes[i].code;
	gowa_reply_error(r, status, code, message);
}

void
gowa_reply_device(struct request *r, const char *name, const char *what)
{
	struct text message = {0};

	text_addf(&message, "device %s %s", name, what);
	gowa_reply_error(r, 500, "INTERNAL_SERVER_ERROR", message.s);
	text_free(&message);
}

void
gowa_reply_text(struct request *r, unsigned status, const char *text)
{
	reply_begin(r, status);
	r->type = "text/plain; charset=utf-8";
	text_add(&r->out, text);
}

struct session *
gowa_device(struct request *r)
{
	struct session *s = request_session(r, r->seg[1]);

	if (s == NULL)
		gowa_reply_device(r, r->seg[1], "not found");
	return s;
}
