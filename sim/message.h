/*
 * message: messages in and out, and their acknowledgements.
 *
 * Called with the gateway's lock held.
 */
#ifndef SIM_MESSAGE_H
#define SIM_MESSAGE_H

#include "text.h"

struct gateway;
struct session;

/* The session sends a text to a chat ("<digits>@c.us" or a group): message.any now,
   acks 1, 2, 3 later. Appends NOWEB's answer. `id` is NULL unless the caller chose
   one. */
void message_send(struct gateway *gw, struct session *s, const char *chat,
	const char *text, const char *id, struct text *answer);

/* Somebody wrote to the session: message and message.any. Appends the message's id as
   a JSON string. */
void message_receive(struct gateway *gw, struct session *s, const char *chat,
	const char *text, struct text *answer);

/* No ack that is still due comes. */
void message_forget(struct gateway *gw);

#endif
