/*
 * event: what subscribers hear of a device: the types, and the bodies.
 *
 * The events of a device's life are written by the database (function instances_tell);
 * what a gateway tells beyond the status is normalised here, and written by
 * webhook_store. Everything else about them is docs/events.md. Pure functions, safe from
 * any thread.
 */
#ifndef WAPOOL_EVENT_H
#define WAPOOL_EVENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"
#include "lib/gateway.h"

/* Type i, of those that a filter may name; NULL past the end. */
const char *event_type(size_t i);

/* True if it is one of them. NULL is not. */
bool event_type_valid(const char *type);

/*
 * What the owner of the session is to hear of a gateway's event, beyond what follows
 * from its status: {"type", "data", "once"}, a new reference. once is the same for an
 * event that the gateway tells again under another id. NULL if there is nothing to tell:
 * no message, one written on the account itself, or one without an id; also when memory
 * ran out.
 */
json_t *event_of_gateway(const struct gateway_event *ev);

/* The UUID behind a webhook-id: "evt_" and 32 hexadecimal digits. False if it is none. */
bool event_uuid(const char *event_id, char out[37]);

/* Appends the body as it is sent: {"type", "timestamp", "device_id", "data"}. data is
 * JSON already; device may be NULL. False if out cannot hold it. */
bool event_body(struct buf *out, const char *type, const char *timestamp,
	const char *device, const char *data);

#endif
