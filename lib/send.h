/*
 * send: one text message out, by the instance that a device, a client or a strategy leads to, within
 * its quota.
 *
 * Chosen, reserved and written down in one statement, then sent without a transaction
 * open, then decided: a quota is taken before the gateway is asked and comes back only
 * if the message surely did not leave. What cannot be known is said to be unknown and is
 * never repeated; a sender that dies leaves a message that becomes unknown. Thread-safety:
 * as db and http.
 */
#ifndef WAPOOL_SEND_H
#define WAPOOL_SEND_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/app.h"
#include "lib/auth.h"
#include "lib/message.h"

#define SEND_TEXT_MAX 4096 /* characters of a text; WhatsApp takes no more */

struct send_wish {
	const char *chat;     /* digits (lib/phone) or a chat's id ("...@g.us") */
	const char *text;     /* UTF-8 */
	const char *device;   /* UUID, or NULL */
	const char *client;   /* clientes.id as text, or NULL */
	const char *strategy; /* "sticky", "round_robin", "least_loaded", or NULL */
	const char *key;      /* the Idempotency-Key, or NULL */
};

/* One window of a quota. */
struct quota {
	int limit, used;
	int64_t resets_s; /* seconds until it begins anew */
};

enum send_state { SEND_SENT, SEND_UNKNOWN };

struct send_result {
	char message_id[37];
	char instance[256];
	char device_id[37];
	char gateway_id[129]; /* "" if it told none */
	enum send_state state;
	bool repeated; /* its key was used before: nothing was sent now */
	struct quota hour, day;
};

/* Why nothing was sent, for people. */
struct send_refusal {
	enum problem problem;
	enum message detail; /* a sentence of its own, or MSG__MAX: the problem's */
	int retry_after_s;   /* 0: the problem's own */
	const char *pointer; /* of PROBLEM_INVALID: the member of the request */
};

/* Needs e. True: *out is filled, also when the outcome is unknown. False: *why is what to answer
 * and *e what happened (for the log; it may be unset). */
bool send_text(struct app *app, const struct user *u, const struct send_wish *wish,
	deadline_t d, struct send_result *out, struct send_refusal *why, struct err *e);

/* What became of a message, as GET /api/messages/{id} shows it to who sent it and to administrators: a
 * new reference. NULL with *e: ERR_NOT_FOUND, ERR_NOMEM or an error of db. */
json_t *message_get(struct app *app, const struct user *u, const char *id, deadline_t d,
	struct err *e) __attribute__((warn_unused_result));

#endif
