/*
 * evolution: a simulated Evolution API, 1.8.2 and 2.3.7, as they were seen to behave.
 *
 * What only it knows of a session is in session->own: id, token, webhook, the row as
 * its database has it (db, owner, profile, reason), and the last QR, which it never
 * forgets.
 */
#ifndef SIM_EVOLUTION_H
#define SIM_EVOLUTION_H

#include "message.h"
#include "request.h"
#include "text.h"

struct session;

/* Whether the gateway of that request speaks version 1. */
bool evolution_is_v1(const struct gateway *gw);

/* open, connecting, close as the process has it in memory; NULL: the instance is in the
   database only. */
const char *evolution_state(const struct session *s);

/* Set a text in s->own; NULL: null. */
void evolution_set(struct session *s, const char *member, const char *value);

/* A text of s->own, or NULL. */
const char *evolution_get(const struct session *s, const char *member);

/* evolution-event.c: webhooks. data is JSON text. */
void evolution_event(
	struct gateway *gw, struct session *s, const char *event, const char *data);
void evolution_entered(struct gateway *gw, struct session *s, int64_t at);
void evolution_message(struct gateway *gw, struct session *s, const struct message *m);
void evolution_ack(struct gateway *gw, struct session *s, const struct message *m);

/* Append the message object of a message, sent or received. */
void evolution_add_message(
	const struct session *s, const struct message *m, struct text *out);

/* evolution-instance.c */
void evolution_create(struct request *r);
void evolution_connect(struct request *r);
void evolution_connection_state(struct request *r);
void evolution_restart(struct request *r);
void evolution_logout(struct request *r);
void evolution_delete(struct request *r);
void evolution_list(struct request *r);

/* evolution-call.c: what is no instance's life */
void evolution_hello(struct request *r);
void evolution_verify(struct request *r);
void evolution_send_text(struct request *r);
void evolution_webhook_set(struct request *r);
void evolution_webhook_find(struct request *r);

/* {"status","error","response":{"message"}}; message is JSON text. */
void evolution_fail(struct request *r, unsigned status, const char *message);

/* The same with [message %s name %s ...], one text. */
void evolution_refuse(struct request *r, unsigned status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
