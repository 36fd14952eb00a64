#include "message.h"

#include "clock.h"
#include "gateway.h"
#include "ids.h"
#include "kind.h"
#include "mem.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>

/* A sent message on its way. */
struct ack {
	struct timer timer;
	struct message m;
	char session[SESSION_NAME_MAX + 1];
	unsigned generation;
	char chat[];
};

/* The levels 1, 2, 3 (SERVER, DEVICE, READ) come this long after the one before. */
static const int after_ms[] = {0, 100, 200, 1500};

#define LEVELS ((int)(sizeof after_ms / sizeof after_ms[0]))

static void
ack_due(struct gateway *gw, struct timer *t)
{
	struct ack *a = TIMER_OWNER(t, struct ack, timer);
	struct session *s = sessions_find(&gw->sessions, a->session);

	if (s == NULL || s->generation != a->generation ||
		s->status != STATUS_WORKING) {
		free(a);
		return;
	}
	a->m.at = session_stamp(s);
	gw->kind->ack(gw, s, &a->m);
	if (++a->m.ack == LEVELS)
		free(a);
	else
		gateway_arm(gw, t, after_ms[a->m.ack]);
}

static void
expect_acks(struct gateway *gw, const struct session *s, const struct message *m)
{
	struct ack *a = mem_zero(sizeof *a + strlen(m->chat) + 1);

	memcpy(a->chat, m->chat, strlen(m->chat));
	memcpy(a->session, s->name, strlen(s->name));
	a->timer.fire = ack_due;
	a->generation = s->generation;
	a->m = *m;
	a->m.chat = a->chat;
	a->m.text = NULL;
	a->m.ack = 1;
	gateway_arm(gw, &a->timer, after_ms[1]);
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

/* Stamp it, and give it an id unless it has one. */
static void
finish(struct session *s, struct message *m, const char *prefix, size_t length)
{
	m->at = session_stamp(s);
	s->activity_ms = m->at;
	if (m->id[0] == '\0')
		ids_message(m->id, prefix, length);
}

void
message_send(struct gateway *gw, struct session *s, struct message *m)
{
	m->from_me = true;
	m->ack = 0;
	finish(s, m, "3EB0", 22);
	gw->kind->message(gw, s, m);
	expect_acks(gw, s, m);
}

void
message_receive(struct gateway *gw, struct session *s, struct message *m)
{
	m->from_me = false;
	m->ack = 2;
	finish(s, m, "3A", 20);
	gw->kind->message(gw, s, m);
}

bool
message_chat(const char *given, const char *domain, char chat[MESSAGE_CHAT_SIZE])
{
	size_t n;

	if (given != NULL && given[0] == '+')
		given++;
	n = given != NULL ? strlen(given) : 0;
	if (n == 0 || n > 80 ||
		strspn(given,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			"0123456789@._:-") != n)
		return false;
	memcpy(chat, given, n + 1);
	n = strcspn(chat, "@");
	if (chat[n] == '\0' || strcmp(chat + n, "@c.us") == 0 ||
		strcmp(chat + n, "@s.whatsapp.net") == 0)
		strcpy(chat + n, domain);
	return true;
}
