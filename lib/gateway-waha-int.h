/*
 * gateway-waha-int: what the two halves of the WAHA driver share; for no other file.
 */
#ifndef WAPOOL_GATEWAY_WAHA_INT_H
#define WAPOOL_GATEWAY_WAHA_INT_H

#include "lib/gateway.h"

/* The member of a session's metadata that holds its generation; WAHA sends it back in
 * every webhook of that session. */
#define WAHA_GENERATION "wapool.generation"

/* And the one that tells which wapool made the session. */
#define WAHA_POOL "wapool.id"

/* The text member of a JSON object, borrowed; NULL if o is no object (or NULL) or the
 * member no text. */
static inline const char *
waha_text(const json_t *o, const char *member)
{
	return json_string_value(json_object_get(o, member));
}

/* gateway.h's signature_ok and parse_webhook. */
bool waha_signature_ok(const struct server *s, const struct request *rq);
bool waha_parse_webhook(const json_t *body, struct gateway_event *ev, struct err *e);

#endif
