/*
 * gateway: one table of operations for every kind of WhatsApp gateway. No caller knows
 * which kind it talks to; a driver knows nothing of the pool or the database.
 *
 * Rules of every operation: it ends by the deadline; it repeats only what is safe to
 * repeat, with full jitter; nothing but 2xx with the expected shape is a success;
 * unknown states are kept as SESSION_OTHER with the gateway's own word. Errors:
 * ERR_NOT_FOUND (no such session), ERR_CONFLICT (wrong state for that),
 * ERR_UNAUTHORIZED (our key is refused: never repeated), ERR_UNAVAILABLE, ERR_TIMEOUT,
 * ERR_PROTOCOL. e->status is the gateway's HTTP status if there was one. Thread-safety:
 * all operations may run in any thread; a struct server is read-only meanwhile.
 */
#ifndef WAPOOL_GATEWAY_H
#define WAPOOL_GATEWAY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/err.h"
#include "lib/http.h"
#include "lib/request.h"

/* A gateway server, unsealed, as a driver needs it. Made by lib/server. */
struct server {
	char id[37];
	char kind[16];
	char *url;            /* without a trailing slash */
	char *key;            /* "" if it has none */
	char *webhook_secret; /* "" if it has none */
	char *webhook_url;    /* where its webhooks are to go, "" if unknown */
	char pool_id[37];     /* which wapool we are: its sessions carry it */
	int timeout_ms;       /* of one call */
	bool guarded;         /* a user's own: its URL passes lib/guard */
};

enum session_state {
	SESSION_STOPPED,  /* exists, does nothing */
	SESSION_STARTING, /* on its way to one of the next two */
	SESSION_SCAN,     /* shows a QR */
	SESSION_WORKING,  /* a phone is connected */
	SESSION_FAILED,   /* gave up: QR not scanned, logged out, or broken */
	SESSION_OTHER     /* a word we do not know */
};

struct session {
	char name[256];
	enum session_state state;
	char word[51];     /* the gateway's own word for it */
	char phone[65];    /* e.g. "5511999999999@c.us", "" if nobody is paired */
	char profile[256]; /* push name, "" if unknown */
	char pool_id[37];  /* the wapool that made it, "" if none told */
};

/* What to make: the generation comes back in each of the session's webhooks. */
struct session_spec {
	const char *name;
	int64_t generation;
};

/* What a gateway says about itself. */
struct gateway_status {
	char version[33];
	int64_t started_ms; /* wall clock of its start, 0 if it does not tell */
};

/* A webhook, normalised. Texts are borrowed from the parsed body. */
struct gateway_event {
	const char *event;    /* the gateway's name for it, never NULL */
	const char *id;       /* the gateway's id of the event, or NULL */
	const char *session;  /* or NULL */
	int64_t at_ms;        /* the gateway's clock, 0 if it does not tell */
	int64_t generation;   /* from the session's metadata, -1 if absent */
	const char *status;   /* a session's new status word, or NULL */
	int64_t status_at_ms; /* the gateway's clock */
	const char *phone;    /* of the paired phone, or NULL */
	const char *profile;  /* or NULL */
	bool released; /* the phone is gone for good: the owner loses the instance */
};

/* Called for each session of a list; false stops the listing without an error. */
typedef bool session_fn(const struct session *s, void *ctx);

struct gateway {
	const char *kind;
	/* Makes the session, stopped, with our webhooks. ERR_CONFLICT: the
	 * name is taken. */
	bool (*create)(struct http *, const struct server *,
		const struct session_spec *, deadline_t, struct err *);
	bool (*start)(struct http *, const struct server *, const char *name,
		deadline_t, struct err *);
	bool (*restart)(struct http *, const struct server *, const char *name,
		deadline_t, struct err *);
	/* Unpairs the phone. An unknown session is no error: it is logged out. */
	bool (*logout)(struct http *, const struct server *, const char *name,
		deadline_t, struct err *);
	/* Removes the session with all it knows. An unknown one is no error. */
	bool (*remove)(struct http *, const struct server *, const char *name,
		deadline_t, struct err *);
	bool (*state)(struct http *, const struct server *, const char *name,
		struct session *, deadline_t, struct err *);
	/* All sessions, also stopped ones, in one call. */
	bool (*list)(struct http *, const struct server *, session_fn *, void *ctx,
		deadline_t, struct err *);
	/* The raw value to render as a QR; ERR_CONFLICT while there is none. */
	bool (*qr)(struct http *, const struct server *, const char *name,
		struct buf *value, deadline_t, struct err *);
	/* The code to type on the phone of that number (digits). */
	bool (*pairing_code)(struct http *, const struct server *, const char *name,
		const char *number, struct buf *code, deadline_t, struct err *);
	bool (*ping)(struct http *, const struct server *, struct gateway_status *,
		deadline_t, struct err *);
	/* True if the webhook's raw body is signed with the server's secret; compared
	 * in constant time. */
	bool (*signature_ok)(const struct server *, const struct request *);
	/* Reads a parsed webhook's body, of which the event's texts are borrowed. False
	 * with ERR_INPUT if it is none of this kind of gateway. */
	bool (*parse_webhook)(const json_t *body, struct gateway_event *, struct err *);
};

extern const struct gateway gateway_waha;

/* The driver of that kind, or NULL. */
const struct gateway *gateway_of(const char *kind);

#endif
