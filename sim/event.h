/*
 * event: WAHA's webhook envelopes.
 *
 * An event is built once and given to every webhook of the session that asked for it.
 * Called with the gateway's lock held.
 */
#ifndef SIM_EVENT_H
#define SIM_EVENT_H

#include <stdint.h>

struct gateway;
struct session;
struct text;

/* session.status: the session entered its status at that time. */
void event_status(struct gateway *gw, struct session *s, int64_t at);

/* One or two events that share one envelope id (message and message.any do); also may
   be NULL. The payload is JSON text. */
void event_emit(struct gateway *gw, struct session *s, const char *event,
	const char *also, int64_t at, const char *payload);

/* Append WAHA's environment object. */
void event_add_environment(const struct gateway *gw, struct text *out);

#endif
