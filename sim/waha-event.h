/*
 * waha-event: WAHA's webhook envelopes.
 *
 * An event is built once and given to every webhook of the session that asked for it.
 * Called with the gateway's lock held.
 */
#ifndef SIM_WAHA_EVENT_H
#define SIM_WAHA_EVENT_H

#include <stdint.h>

#include "message.h"
#include "text.h"

/* session.status: the session entered its status at that time. */
void waha_event_status(struct gateway *gw, struct session *s, int64_t at);

/* One or two events that share one envelope id (message and message.any do); also may
   be NULL. The payload is JSON text. */
void waha_event_emit(struct gateway *gw, struct session *s, const char *event,
	const char *also, int64_t at, const char *payload);

/* waha-message.c: message and message.any; message.ack. */
void waha_event_message(struct gateway *gw, struct session *s, const struct message *m);
void waha_event_ack(struct gateway *gw, struct session *s, const struct message *m);

/* Append the raw message as Baileys has it, which is also NOWEB's answer. */
void waha_add_raw(struct text *out, const struct message *m);

/* Append WAHA's environment object. */
void waha_event_add_environment(const struct gateway *gw, struct text *out);

#endif
