/*
 * kind: what one kind of gateway has of its own: its API, its key, its webhooks, some
 * numbers. All else (sessions and their states, faults, the control API, deliveries) is
 * shared. Another kind is files of its own and a row of the table in kind.c.
 *
 * Every function is called with the gateway's lock held.
 */
#ifndef SIM_KIND_H
#define SIM_KIND_H

#include "message.h"
#include "request.h"
#include "route.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;

struct kind {
	const char *name;
	const struct route *routes;
	size_t route_count;
	/* Whether the request may go on to its route, which is NULL if there is none;
	   else the answer is made. */
	bool (*admit)(struct request *r, const struct route *route);
	/* The session a request is about where the path does not say, or NULL. */
	const char *(*session_of)(const struct request *r);
	/* An error in the kind's own shape, also for faults. */
	void (*refuse)(struct request *r, unsigned status, const char *message);
	/* The session entered its status at that time: tell the webhooks. */
	void (*entered)(struct gateway *gw, struct session *s, int64_t at);
	/* A message was sent or came in. */
	void (*message)(struct gateway *gw, struct session *s, const struct message *m);
	/* A sent message was acknowledged: m->ack. */
	void (*ack)(struct gateway *gw, struct session *s, const struct message *m);
	const char *user_domain; /* of a user's chat: "@c.us" */
	int64_t qr_first_ms;     /* life of the first QR */
	int64_t qr_next_ms;      /* life of each that follows */
	int qr_max;              /* then FAILED */
	int starting_max;        /* consecutive STARTING, then FAILED; 0: for ever */
	bool fails_unlinked; /* FAILED if the network goes before a phone is linked */
};

extern const struct kind kind_waha, kind_evolution1, kind_evolution2, kind_gowa;

/* The kind of that name, or NULL. */
const struct kind *kind_find(const char *name);

#endif
