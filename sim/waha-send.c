/* Messages out. */
#include "waha.h"

#include "ids.h"
#include "message.h"
#include "waha-await.h"
#include "waha-event.h"
#include "waha-reply.h"

#include <string.h>

/* Whether s is made of what ids are made of, and not too long. */
static bool
plain(const char *s, size_t max)
{
	size_t n = strlen(s);

	return n > 0 && n <= max &&
		strspn(s,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			"0123456789@._:-") == n;
}

void
waha_send_text(struct request *r)
{
	const char *name = request_string(r, "session");
	const char *given = request_string(r, "chatId");
	const char *text = request_string(r, "text");
	const char *id = request_string(r, "id");
	char chat[MESSAGE_CHAT_SIZE];
	struct message m = {.chat = chat, .text = text};
	struct session *s;

	if (name == NULL || name[0] == '\0') {
		waha_reply_error(r, 400, "Session name is required");
		return;
	}
	s = waha_await_status(r, name, STATUS_WORKING);
	if (s == NULL)
		return;
	if (given == NULL || text == NULL || !message_chat(given, "@c.us", chat)) {
		waha_reply_exception(r, "TypeError",
			"Cannot read properties of undefined (reading 'chatId')");
		return;
	}
	if (id != NULL && plain(id, sizeof m.id - 1))
		strcpy(m.id, id);
	message_send(r->gw, s, &m);
	waha_add_raw(&r->out, &m);
}
