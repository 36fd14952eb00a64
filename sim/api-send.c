/* Messages out. */
#include "api.h"

#include "await.h"
#include "ids.h"
#include "message.h"
#include "reply.h"
#include "session-config.h"

#include <string.h>

/* Whether s is made of what ids and chats are made of, and not too long. */
static bool
plain(const char *s, size_t max)
{
	size_t n = strlen(s);

	return n > 0 && n <= max &&
		strspn(s,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			"0123456789@._:-") == n;
}

/* The chat as WAHA names it, into chat[96]; false if it cannot be one. */
static bool
normalize_chat(const char *given, char *chat)
{
	size_t n;

	if (given[0] == '+')
		given++;
	if (!plain(given, 80))
		return false;
	n = strcspn(given, "@");
	memcpy(chat, given, strlen(given) + 1);
	if (given[n] == '\0' || strcmp(given + n, "@s.whatsapp.net") == 0)
		strcpy(chat + n, "@c.us");
	return true;
}

void
api_send_text(struct request *r)
{
	const char *name = request_string(r, "session");
	const char *given = request_string(r, "chatId");
	const char *text = request_string(r, "text");
	const char *id = request_string(r, "id");
	struct session *s;
	char chat[96];

	if (name == NULL || name[0] == '\0') {
		reply_error(r, 400, "Session name is required");
		return;
	}
	s = await_status(r, name, STATUS_WORKING);
	if (s == NULL)
		return;
	if (given == NULL || text == NULL || !normalize_chat(given, chat)) {
		reply_exception(r, "TypeError",
			"Cannot read properties of undefined (reading 'chatId')");
		return;
	}
	if (id != NULL && !plain(id, IDS_MESSAGE_SIZE - 1))
		id = NULL;
	message_send(r->gw, s, chat, text, id, &r->out);
}
