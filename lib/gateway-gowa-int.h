/*
 * gateway-gowa-int: what the parts of the GOWA driver share; for no other file.
 */
#ifndef WAPOOL_GATEWAY_GOWA_INT_H
#define WAPOOL_GATEWAY_GOWA_INT_H

#include "lib/gateway-call.h"

/* The events we ask for; there are none about connections. */
#define GOWA_EVENTS "message,message.ack"

extern const struct gateway_dialect gowa_dialect;

/* The `results` of a call: a new reference, JSON null if there are none. NULL with *e. */
json_t *
gowa_fetch(struct http *h, const struct server *s, const struct gateway_call *call,
	deadline_t d, struct err *e) __attribute__((warn_unused_result));

/* A call of which only success matters, to one device; absent_ok: or that it is not there. */
bool gowa_command(struct http *h, const struct server *s,
	const struct gateway_call *call, bool absent_ok, deadline_t d, struct err *e);

/* gateway.h's state, list and ping. */
bool gowa_state(struct http *h, const struct server *s, const char *name,
	struct session *out, deadline_t d, struct err *e);
bool gowa_list(struct http *h, const struct server *s, session_fn *each, void *ctx,
	deadline_t d, struct err *e);
bool gowa_ping(struct http *h, const struct server *s, struct gateway_status *out,
	deadline_t d, struct err *e);

/* gateway.h's claims, signature_ok and parse_webhook. */
bool gowa_claims(const struct request *rq);
bool gowa_signature_ok(const struct server *s, const struct request *rq);
bool gowa_parse_webhook(const json_t *body, struct gateway_event *ev, struct err *e);

#endif
