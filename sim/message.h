/*
 * message: messages in and out, and their acknowledgements.
 *
 * Called with the gateway's lock held.
 */
#ifndef SIM_MESSAGE_H
#define SIM_MESSAGE_H

#include "ids.h"

#include <stdbool.h>
#include <stdint.h>

#define MESSAGE_CHAT_SIZE 128

struct gateway;
struct session;

struct message {
	const char *chat;
	const char *text;
	char id[IDS_MESSAGE_SIZE]; /* "": one is made */
	bool from_me;
	int64_t at; /* wall clock, ms */
	int ack;    /* 0 PENDING, 1 SERVER, 2 DEVICE, 3 READ */
};

/* The session sends m->text to m->chat: told now, its acks 1, 2, 3 later. Fills in the
   rest of *m. */
void message_send(struct gateway *gw, struct session *s, struct message *m);

/* Somebody wrote to the session. Fills in the rest of *m. */
void message_receive(struct gateway *gw, struct session *s, struct message *m);

/* A phone or a chat as clients write it, as the chat's id with users at that domain;
   false if it cannot be one. given may be NULL. */
bool message_chat(const char *given, const char *domain, char chat[MESSAGE_CHAT_SIZE]);

/* No ack that is still due comes. */
void message_forget(struct gateway *gw);

#endif
