/* Evolution: version, key, messages out, webhooks of an instance. */
#include "evolution.h"

#include "kind.h"
#include "reply.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>

void
evolution_hello(struct request *r)
{
	text_addf(&r->out,
		"{\"status\":200,\"message\":\"Welcome to the Evolution API, it is "
		"working!\",\"version\":\"%s\",\"documentation\":"
		"\"https://doc.evolution-api.com\"}",
		evolution_is_v1(r->gw) ? "1.8.2" : "2.3.7");
}

void
evolution_verify(struct request *r)
{
	text_add(&r->out, "{\"status\":200,\"message\":\"Credentials are valid\"}");
}

void
evolution_send_text(struct request *r)
{
	struct session *s = request_session(r, r->seg[2]);
	const json_t *v1 = json_object_get(r->body, "textMessage");
	char chat[MESSAGE_CHAT_SIZE];
	struct message m = {.chat = chat, .text = request_string(r, "text")};

	if (evolution_is_v1(r->gw))
		m.text = json_string_value(json_object_get(v1, "text"));
	if (m.text == NULL ||
		!message_chat(
			request_string(r, "number"), r->gw->kind->user_domain, chat)) {
		evolution_fail(
			r, 400, "[[\"instance requires property \\\"text\\\"\"]]");
		return;
	}
	if (s->status != STATUS_WORKING) {
		evolution_fail(r, 500, "\"Connection Closed\"");
		return;
	}
	message_send(r->gw, s, &m);
	evolution_add_message(s, &m, &r->out);
}

static void
answer_webhook(struct request *r, const struct session *s)
{
	json_t *hook = json_object_get(s->own, "webhook");
	char *dumped = json_dumps(hook, JSON_COMPACT | JSON_ENCODE_ANY);

	text_add(&r->out, dumped);
	free(dumped);
}

void
evolution_webhook_set(struct request *r)
{
	struct session *s = request_session(r, r->seg[2]);
	json_t *given =
		evolution_is_v1(r->gw) ? r->body : json_object_get(r->body, "webhook");

	if (!json_is_string(json_object_get(given, "url"))) {
		evolution_fail(
			r, 400, "[[\"instance requires property \\\"webhook\\\"\"]]");
		return;
	}
	json_object_set_new(s->own, "webhook", json_copy(given));
	s->has_webhooks = true;
	answer_webhook(r, s);
}

void
evolution_webhook_find(struct request *r)
{
	answer_webhook(r, request_session(r, r->seg[2]));
}
