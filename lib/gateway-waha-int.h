/*
 * gateway-waha-int: what the two halves of the WAHA driver share; for no other file.
 */
#ifndef WAPOOL_GATEWAY_WAHA_INT_H
#define WAPOOL_GATEWAY_WAHA_INT_H

#include "lib/gateway-call.h"

/* The member of a session's metadata that holds its generation; WAHA sends it back in
 * every webhook of that session. */
#define WAHA_GENERATION "wapool.generation"

/* And the one that tells which wapool made the session. */
#define WAHA_POOL "wapool.id"

/* WhatsApp's own id within WAHA's "true_CHAT_ID" or "false_CHAT_ID_PARTICIPANT" (or what
 * is no such thing as a whole) into out. False, and out "", for NULL, an empty one, or
 * one that does not fit. */
bool waha_message_id(const char *id, char *out, size_t size);

/* gateway.h's claims, signature_ok and parse_webhook. */
bool waha_claims(const struct request *rq);
bool waha_signature_ok(const struct server *s, const struct request *rq);
bool waha_parse_webhook(const json_t *body, struct gateway_event *ev, struct err *e);

#endif
