/* The process, and messages out. */
#include "gowa.h"

#include "session.h"

#include <string.h>

void
gowa_health(struct request *r)
{
	gowa_reply_text(r, 200, "OK");
}

void
gowa_info(struct request *r)
{
	gowa_reply_begin(r, "Fetch app info success");
	text_add(&r->out,
		"{\"version\":\"" GOWA_VERSION
		"\",\"os\":\"GOWA\",\"base_path\":\"\",\"max_file_size\":50000000,"
		"\"max_video_size\":100000000}}");
}

/* By slot or by JID; the only one may go without. NULL: the answer is made. */
static struct session *
scoped(struct request *r)
{
	const char *id = request_header(r, "X-Device-Id");
	struct session *s, *only = r->gw->sessions.first;
	struct text jid = {0};
	bool same;

	if (id == NULL)
		id = request_query(r, "device_id");
	if (id == NULL && only != NULL && only->next == NULL)
		return only;
	if (id == NULL) {
		gowa_reply_error(r, 400, "DEVICE_ID_REQUIRED",
			"device_id is required via X-Device-Id header or device_id "
			"query");
		return NULL;
	}
	for (s = only; s != NULL; s = s->next) {
		text_free(&jid);
		gowa_add_jid(&jid, s, true);
		same = strcmp(s->name, id) == 0 ||
			(jid.len > 0 && strcmp(jid.s, id) == 0);
		if (same)
			break;
	}
	text_free(&jid);
	if (s == NULL)
		gowa_reply_error(r, 404, "DEVICE_NOT_FOUND", "device not found");
	return s;
}

void
gowa_send(struct request *r)
{
	const char *text = request_string(r, "message");
	char chat[MESSAGE_CHAT_SIZE];
	struct message m = {.chat = chat, .text = text};
	struct session *s = scoped(r);

	if (s == NULL)
		return;
	if (text == NULL || *text == '\0' ||
		!message_chat(request_string(r, "phone"), "@s.whatsapp.net", chat)) {
		gowa_reply_error(r, 400, "VALIDATION_ERROR",
			text == NULL || *text == '\0' ? "message: cannot be blank."
						      : "phone: cannot be blank.");
		return;
	}
	if (s->status != STATUS_WORKING) {
		gowa_reply_error(
			r, 401, "AUTHENTICATION_ERROR", "you are not logged in");
		return;
	}
	message_send(r->gw, s, &m);
	gowa_reply_begin(r, "Message sent");
	text_addf(&r->out,
		"{\"message_id\":\"%s\",\"status\":\"Message sent to %s (server "
		"timestamp: %lld)\"}}",
		m.id, chat, (long long)(m.at / 1000));
}
