/* WAHA's messages: as it answers them and as it tells them. */
#include "gateway.h"
#include "message.h"
#include "session.h"
#include "waha-event.h"

#include <stdlib.h>
#include <string.h>

static const char *const acks[] = {"PENDING", "SERVER", "DEVICE", "READ"};

/* A chat as WhatsApp itself names it: users live at s.whatsapp.net. */
static char *
remote_jid(const char *chat)
{
	const char *at = strchr(chat, '@');
	struct text jid = {0};

	if (at != NULL && strcmp(at, "@c.us") != 0) {
		text_add(&jid, chat);
	} else {
		text_addn(&jid, chat, at == NULL ? strlen(chat) : (size_t)(at - chat));
		text_add(&jid, "@s.whatsapp.net");
	}
	return text_steal(&jid);
}

void
waha_add_raw(struct text *out, const struct message *m)
{
	char *jid = remote_jid(m->chat);

	text_addf(out, "{\"key\":{\"remoteJid\":\"%s\",\"fromMe\":%s,\"id\":\"%s\"},",
		jid, m->from_me ? "true" : "false", m->id);
	if (!m->from_me)
		text_add(out, "\"pushName\":\"Peer\",");
	text_addf(out, "\"messageTimestamp\":%lld,", (long long)(m->at / 1000));
	text_add(out,
		m->from_me ? "\"status\":1,\"message\":{\"extendedTextMessage\":{"
			     "\"text\":"
			   : "\"message\":{\"conversation\":");
	text_json(out, m->text);
	text_add(out, m->from_me ? "}}}" : "},\"status\":3}");
	free(jid);
}

/* Append WAHA's WAMessage. */
static void
add_message(struct text *out, const struct message *m)
{
	text_addf(out,
		"{\"id\":\"%s_%s_%s\",\"timestamp\":%lld,\"from\":\"%s\",\"fromMe\":%s,"
		"\"source\":\"%s\",\"body\":",
		m->from_me ? "true" : "false", m->chat, m->id,
		(long long)(m->at / 1000), m->chat, m->from_me ? "true" : "false",
		m->from_me ? "api" : "app");
	text_json(out, m->text);
	text_addf(out,
		",\"hasMedia\":false,\"media\":null,\"ack\":%d,\"ackName\":\"%s\","
		"\"location\":null,\"vCards\":null,\"replyTo\":null,\"_data\":",
		m->ack, acks[m->ack]);
	waha_add_raw(out, m);
	text_add(out, "}");
}

void
waha_event_message(struct gateway *gw, struct session *s, const struct message *m)
{
	struct text payload = {0};

	add_message(&payload, m);
	if (m->from_me)
		waha_event_emit(gw, s, "message.any", NULL, m->at, payload.s);
	else
		waha_event_emit(gw, s, "message", "message.any", m->at, payload.s);
	text_free(&payload);
}

void
waha_event_ack(struct gateway *gw, struct session *s, const struct message *m)
{
	struct text payload = {0};

	text_addf(&payload,
		"{\"id\":\"true_%s_%s\",\"from\":\"%s\",\"fromMe\":true,"
		"\"ack\":%d,\"ackName\":\"%s\"}",
		m->chat, m->id, m->chat, m->ack, acks[m->ack]);
	waha_event_emit(gw, s, "message.ack", NULL, m->at, payload.s);
	text_free(&payload);
}
