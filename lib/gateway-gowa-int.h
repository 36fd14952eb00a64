/*
 * gateway-gowa-int: what the two halves of the GOWA driver share; for no other file.
 */
#ifndef WAPOOL_GATEWAY_GOWA_INT_H
#define WAPOOL_GATEWAY_GOWA_INT_H

#include "lib/gateway-call.h"

/* The events we ask for; there are none about connections. */
#define GOWA_EVENTS "message,message.ack"

/* gateway.h's claims, signature_ok and parse_webhook. */
bool gowa_claims(const struct request *rq);
bool gowa_signature_ok(const struct server *s, const struct request *rq);
bool gowa_parse_webhook(const json_t *body, struct gateway_event *ev, struct err *e);

#endif
