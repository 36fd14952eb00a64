/*
 * gateway: one table of operations for every kind of WhatsApp gateway. No caller knows
 * which kind it talks to; a driver knows nothing of the pool or the database.
 *
 * Rules of every operation: it ends by the deadline; it repeats only what is safe to
 * repeat, with full jitter; nothing but 2xx with the expected shape is a success; unknown
 * states are kept as SESSION_OTHER with the gateway's own word. The others are told in
 * WAHA's words, whatever the gateway calls them, since instances.status holds them:
 * STOPPED, STARTING, SCAN_QR_CODE, WORKING, FAILED.
 *
 * Errors: ERR_NOT_FOUND (no such session), ERR_CONFLICT (wrong state for that),
 * ERR_UNAUTHORIZED (our key is refused: never repeated), ERR_UNAVAILABLE, ERR_TIMEOUT,
 * ERR_PROTOCOL; ERR_INPUT for what the gateway says is no number or no text. e->status is
 * the gateway's HTTP status if there was one.
 *
 * Thread-safety: all operations may run in any thread; a struct server is read-only
 * meanwhile.
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
	char *former_secret;  /* the one before, while it is still taken; or NULL */
	char secret_mark
		[33]; /* another for each webhook_secret; "" if that is not sealed yet */
	/* Of webhook_secret, and of former_secret, as the row seals them, its key beside
	 * them: what webhook_store checks. "" likewise. */
	char present_mark[33], former_mark[33];
	char *webhook_url; /* where its webhooks are to go, "" if unknown */
	char pool_id[37];  /* which wapool we are: its sessions carry it */
	char version[33];  /* as it last told, "" if it never did */
	int timeout_ms;    /* of one call */
	int retries;       /* of a call that may be repeated, after the first try */
	/* Asked before each request; waits until the server may be asked, or is false
	 * with *e filled. NULL: there is no limit. */
	bool (*admit)(void *ctx, deadline_t, struct err *);
	void *admit_ctx;
	bool guarded; /* a user's own: its URL passes lib/guard */
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
	char word[51];  /* the canonical word, or the gateway's own if it has another */
	char phone[65]; /* e.g. "5511999999999@c.us", "" if nobody is paired */
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
	int64_t started_ms; /* wall clock of its start; 0 if it tells none that can be */
};

/* What to say to whom. */
struct text_message {
	const char *chat; /* digits of a number, or a chat's id ("...@g.us") */
	const char *text;
};

/* What became of it. */
struct sent {
	char id[129]; /* the gateway's id of the message; acks carry it */
	/* After a failure: nobody knows whether it went out (the request left, the
	 * answer never came or makes no sense). Sending again may say it twice. */
	bool unknown;
};

enum event_kind {
	EVENT_OTHER,
	EVENT_STATUS,  /* status, and what belongs to it */
	EVENT_QR,      /* qr, if the gateway sends it along; a STATUS as well */
	EVENT_MESSAGE, /* message_id, chat, from_me, text or media */
	EVENT_ACK      /* message_id, chat, ack */
};

/* The acks of a message, as WAHA numbers them. */
enum { ACK_ERROR = -1, ACK_PENDING, ACK_SERVER, ACK_DEVICE, ACK_READ, ACK_PLAYED };

/* A webhook, normalised. Texts are borrowed from the parsed body. */
struct gateway_event {
	enum event_kind kind;
	const char *event;    /* the gateway's name for it, never NULL */
	const char *id;       /* the gateway's id of the event, or NULL */
	const char *session;  /* or NULL */
	int64_t at_ms;        /* the gateway's clock, 0 if it does not tell */
	int64_t generation;   /* from the session's metadata, -1 if absent */
	const char *status;   /* a session's new status, canonical word, or NULL */
	int64_t status_at_ms; /* the gateway's clock */
	const char *phone;    /* of the paired phone, or NULL */
	const char *profile;  /* or NULL */
	bool released; /* the phone is gone for good: the owner loses the instance */
	char message_id[129]; /* as send_text tells it, "" if none */
	const char *chat;     /* as the gateway names it, or NULL */
	bool from_me;         /* written on this account, by us or on the phone */
	const char *text;     /* or NULL */
	const char *media;    /* URL of what came with it, or NULL */
	int ack;              /* of an EVENT_ACK */
	const char *qr;       /* raw value of a new QR, or NULL */
};

/* Called for each session of a list; false stops the listing without an error. */
typedef bool session_fn(const struct session *s, void *ctx);

struct gateway {
	const char *kind;
	/* It tells nobody of connections: while somebody waits for a scan, the helper asks
	 * for the state every two seconds. */
	bool polled;
	/* Two who start a stopped session at the same time do harm: lib/start keeps them
	 * apart, by whom alone `start` and `restart` are called. */
	bool start_once;
	/*
	 * 0: a started session shows a QR by itself, and asking for it is free. Otherwise
	 * `qr` and `pairing_code` begin a pairing run, also of a stopped session nobody is
	 * paired with; that ends the run before, whose QR is void from then on. What `qr`
	 * gave is good for that many milliseconds: whoever shows it keeps it (lib/qr-run).
	 */
	int qr_run_ms;
	/* Otherwise: how long the first QR of a session lives, and each of those after it
	 * (lib/qr-life). */
	int qr_first_ms, qr_next_ms;
	/* Makes the session, stopped, with our webhooks. ERR_CONFLICT: the
	 * name is taken. */
	bool (*create)(struct http *, const struct server *,
		const struct session_spec *, deadline_t, struct err *);
	bool (*start)(struct http *, const struct server *, const char *name,
		deadline_t, struct err *);
	bool (*restart)(struct http *, const struct server *, const char *name,
		deadline_t, struct err *);
	/* Disconnects and keeps the pairing: start brings the same phone back. An
	 * unknown or stopped session is no error. */
	bool (*stop)(struct http *, const struct server *, const char *name, deadline_t,
		struct err *);
	/* Unpairs the phone. An unknown session is no error: it is logged out. */
	bool (*logout)(struct http *, const struct server *, const char *name,
		deadline_t, struct err *);
	/* Removes the session with all it knows. An unknown one is no error. */
	bool (*remove)(struct http *, const struct server *, const char *name,
		deadline_t, struct err *);
	bool (*state)(struct http *, const struct server *, const char *name,
		struct session *, deadline_t, struct err *);
	/* All sessions, also stopped ones, in one call. One without a status is SESSION_OTHER
	 * with the word "": it is there. What has no name, or one too long to be ours, is left
	 * out; ERR_PROTOCOL if nothing in the list is a whole session. */
	bool (*list)(struct http *, const struct server *, session_fn *, void *ctx,
		deadline_t, struct err *);
	/* The raw value to render as a QR; ERR_CONFLICT while there is none. */
	bool (*qr)(struct http *, const struct server *, const char *name,
		struct buf *value, deadline_t, struct err *);
	/* The code to type on the phone of that number (digits). */
	bool (*pairing_code)(struct http *, const struct server *, const char *name,
		const char *number, struct buf *code, deadline_t, struct err *);
	/* Never repeated. ERR_CONFLICT: no phone is connected. */
	bool (*send_text)(struct http *, const struct server *, const char *name,
		const struct text_message *, struct sent *, deadline_t, struct err *);
	/* Makes the session's webhooks what the server's row says, and reads them back.
	 * Writes nothing if they are right: WAHA restarts a session for it. Needed
	 * after everything that may have lost them. */
	bool (*set_webhook)(struct http *, const struct server *,
		const struct session_spec *, deadline_t, struct err *);
	bool (*ping)(struct http *, const struct server *, struct gateway_status *,
		deadline_t, struct err *);
	/* True if a request looks like one of its webhooks, signature and all; no key is
	 * needed to see it. NULL: it cannot be seen. */
	bool (*claims)(const struct request *);
	/* True if the webhook's raw body is signed with the server's secret; compared
	 * in constant time. */
	bool (*signature_ok)(const struct server *, const struct request *);
	/* Reads a parsed webhook's body, of which the event's texts are borrowed. False
	 * with ERR_INPUT if it is none of this kind of gateway. */
	bool (*parse_webhook)(const json_t *body, struct gateway_event *, struct err *);
	/* Takes out of a webhook's body what nobody may keep: keys, QRs and codes that may
	 * still be scanned. NULL: there is none. */
	void (*redact)(json_t *body);
};

extern const struct gateway gateway_waha, gateway_evolution;
extern const struct gateway gateway_gowa;

/* The driver of that kind, or NULL. */
const struct gateway *gateway_of(const char *kind);

/* The i-th driver, or NULL past the last. */
const struct gateway *gateway_at(size_t i);

/* The kinds that are `polled`, as an array of PostgreSQL ("{gowa}"), into out; returns
 * out. */
#define GATEWAY_KINDS_SIZE 64
const char *gateway_polled(char out[GATEWAY_KINDS_SIZE]);

/* True if a time of a gateway's (of its wall clock) may be meant: after 2001, and not more than
 * five minutes ahead of us. Others count as not told, so that a clock that is wrong freezes
 * nothing here. */
bool gateway_time_ok(int64_t at_ms);

#endif
