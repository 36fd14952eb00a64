#include "message.h"

#include "clock.h"
#include "event.h"
#include "gateway.h"
#include "ids.h"
#include "mem.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>

/* A sent message on its way. */
struct ack {
	struct timer timer;
	char session[SESSION_NAME_MAX + 1];
	char id[IDS_MESSAGE_SIZE];
	unsigned generation;
	int level; /* the next one */
	char chat[];
};

static const struct {
	int after_ms;
	const char *name;
} levels[] = {
	{0, "PENDING"},
	{100, "SERVER"},
	{200, "DEVICE"},
	{1500, "READ"},
};

#define LEVELS ((int)(sizeof levels / sizeof levels[0]))

static void
ack_due(struct gateway *gw, struct timer *t)
{
	struct ack *a = TIMER_OWNER(t, struct ack, timer);
	struct session *s = sessions_find(&gw->sessions, a->session);
	struct text payload = {0};

	if (s == NULL || s->generation != a->generation ||
		s->status != STATUS_WORKING) {
		free(a);
		return;
	}
	text_addf(&payload,
		"{\"id\":\"true_%s_%s\",\"from\":\"%s\",\"fromMe\":true,"
		"\"ack\":%d,\"ackName\":\"%s\"}",
		a->chat, a->id, a->chat, a->level, levels[a->level].name);
	event_emit(gw, s, "message.ack", NULL, session_stamp(s), payload.s);
	text_free(&payload);
	if (++a->level == LEVELS)
		free(a);
	else
		gateway_arm(gw, t, levels[a->level].after_ms);
}

static void
expect_acks(
	struct gateway *gw, const struct session *s, const char *chat, const char *id)
{
	struct ack *a = mem_zero(sizeof *a + strlen(chat) + 1);

	a->timer.fire = ack_due;
	a->generation = s->generation;
	a->level = 1;
	memcpy(a->session, s->name, strlen(s->name));
	memcpy(a->id, id, strlen(id));
	memcpy(a->chat, chat, strlen(chat));
	gateway_arm(gw, &a->timer, levels[1].after_ms);
}

void
message_forget(struct gateway *gw)
{
	struct timer *t;
	size_t i, found;

	/* Cancelling moves others about in the heap: look again until none is left. */
	do {
		for (i = found = 0; i < gw->timers.count; i++) {
			t = gw->timers.heap[i];
			if (t->fire != ack_due)
				continue;
			timer_cancel(&gw->timers, t);
			free(TIMER_OWNER(t, struct ack, timer));
			found++;
		}
	} while (found > 0);
}

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

/* Append the raw message as Baileys has it. */
static void
add_raw(struct text *out, const char *chat, const char *id, bool from_me,
	const char *text, int64_t at)
{
	char *jid = remote_jid(chat);

	text_addf(out, "{\"key\":{\"remoteJid\":\"%s\",\"fromMe\":%s,\"id\":\"%s\"},",
		jid, from_me ? "true" : "false", id);
	if (!from_me)
		text_add(out, "\"pushName\":\"Peer\",");
	text_addf(out, "\"messageTimestamp\":%lld,", (long long)(at / 1000));
	text_add(out,
		from_me ? "\"status\":1,\"message\":{\"extendedTextMessage\":{"
			  "\"text\":"
			: "\"message\":{\"conversation\":");
	text_json(out, text);
	text_add(out, from_me ? "}}}" : "},\"status\":3}");
	free(jid);
}

/* Append WAHA's WAMessage. */
static void
add_message(struct text *out, const char *chat, const char *id, bool from_me,
	const char *text, int64_t at)
{
	int level = from_me ? 0 : 2;

	text_addf(out,
		"{\"id\":\"%s_%s_%s\",\"timestamp\":%lld,\"from\":\"%s\",\"fromMe\":%s,"
		"\"source\":\"%s\",\"body\":",
		from_me ? "true" : "false", chat, id, (long long)(at / 1000), chat,
		from_me ? "true" : "false", from_me ? "api" : "app");
	text_json(out, text);
	text_addf(out,
		",\"hasMedia\":false,\"media\":null,\"ack\":%d,\"ackName\":\"%s\","
		"\"location\":null,\"vCards\":null,\"replyTo\":null,\"_data\":",
		level, levels[level].name);
	add_raw(out, chat, id, from_me, text, at);
	text_add(out, "}");
}

void
message_send(struct gateway *gw, struct session *s, const char *chat, const char *text,
	const char *id, struct text *answer)
{
	char fresh[IDS_MESSAGE_SIZE];
	struct text payload = {0};
	int64_t at = session_stamp(s);

	s->activity_ms = at;
	if (id == NULL) {
		ids_message(fresh, "3EB0", 22);
		id = fresh;
	}
	add_raw(answer, chat, id, true, text, at);
	add_message(&payload, chat, id, true, text, at);
	event_emit(gw, s, "message.any", NULL, at, payload.s);
	text_free(&payload);
	expect_acks(gw, s, chat, id);
}

void
message_receive(struct gateway *gw, struct session *s, const char *chat,
	const char *text, struct text *answer)
{
	char id[IDS_MESSAGE_SIZE];
	struct text payload = {0};
	int64_t at = session_stamp(s);

	s->activity_ms = at;
	ids_message(id, "3A", 20);
	add_message(&payload, chat, id, false, text, at);
	event_emit(gw, s, "message", "message.any", at, payload.s);
	text_free(&payload);
	text_addf(answer, "\"false_%s_%s\"", chat, id);
}
