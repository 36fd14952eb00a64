/*
 * gateway-evolution-int: what the parts of the Evolution driver share; for no other
 * file.
 */
#ifndef WAPOOL_GATEWAY_EVOLUTION_INT_H
#define WAPOOL_GATEWAY_EVOLUTION_INT_H

#include "lib/gateway-call.h"

/* The header of ours that an instance's webhooks carry (v2). */
#define EVOLUTION_HEADER "X-Wapool-Secret"

/* The query parameter of the webhook's URL that tells the generation: the URL comes back
 * in each event, as "destination". */
#define EVOLUTION_GENERATION "?generation="

/* Behind it in the URL of version 1, which sends no headers of ours: the key that the instance
 * would have if it were made now. Not every installation tells instances' keys, and a key
 * does not change with the secret. */
#define EVOLUTION_URL_TOKEN "&token="

#define EVOLUTION_TOKEN_SIZE 72

/* The key an instance of that name is made with: the pool's id, by which the list tells
 * whose it is, and a part that only the holder of the webhook secret can make, by which
 * v1's webhooks are known. False, and out "", without a secret. */
bool evolution_token(
	const struct server *s, const char *name, char out[EVOLUTION_TOKEN_SIZE]);

/* True if WhatsApp ended the session for good, by the reason of a disconnection: 401
 * logged out, 402, 403 banned, 406. */
bool evolution_is_final(json_int_t reason);

extern const struct gateway_dialect evolution_dialect;

/* gateway_command and gateway_fetch in Evolution's dialect. */
bool evolution_command(struct http *h, const struct server *s,
	const struct gateway_call *call, deadline_t d, struct err *e);
json_t *
evolution_fetch(struct http *h, const struct server *s, const struct gateway_call *call,
	deadline_t d, struct err *e) __attribute__((warn_unused_result));

/* What it says its version is. ERR_PROTOCOL if it is not Evolution. */
bool evolution_version(struct http *h, const struct server *s, char *out, size_t size,
	deadline_t d, struct err *e);

/* Version 1 or 2; what the server's row remembers saves a call. */
bool evolution_is_v1(
	struct http *h, const struct server *s, bool *v1, deadline_t d, struct err *e);

/* The process's word for the instance. ERR_NOT_FOUND also for one that only the
 * database knows (e->status is then not 404): it does nothing, and is to be made anew. */
bool evolution_live_word(struct http *h, const struct server *s, const char *name,
	char word[51], deadline_t d, struct err *e);

/* connect's answer. Where the process says "connecting" it starts nothing and is the QR
 * object; where it says "close" it starts a socket. A new reference, or NULL. */
json_t *evolution_current_qr(struct http *h, const struct server *s, const char *name,
	deadline_t d, struct err *e) __attribute__((warn_unused_result));

/* gateway.h's state and list. */
bool evolution_state(struct http *h, const struct server *s, const char *name,
	struct session *out, deadline_t d, struct err *e);
bool evolution_list(struct http *h, const struct server *s, session_fn *each, void *ctx,
	deadline_t d, struct err *e);

/* gateway.h's claims, signature_ok and parse_webhook. */
bool evolution_claims(const struct request *rq);
bool evolution_signature_ok(const struct server *s, const struct request *rq);
bool
evolution_parse_webhook(const json_t *body, struct gateway_event *ev, struct err *e);
void evolution_redact(json_t *body);

#endif
