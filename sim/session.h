/*
 * session: one WhatsApp session and its state machine.
 *
 *	STOPPED -> STARTING -> SCAN_QR_CODE (as long as its kind's QRs last) -> FAILED
 *	                       SCAN_QR_CODE -> scan -> STARTING -> WORKING
 *	           STARTING -> WORKING, when linked
 *	WORKING -> STARTING every 2 s while the network is down, FAILED as its kind does
 *	WORKING -> FAILED when logged out on the phone
 *
 * The machine is that of every kind of gateway; each has its own words for it. A
 * status changes in one place, which also records it, tells the webhooks and wakes whoever waits for the session. Every function is called with the gateway's lock
 * held.
 */
#ifndef SIM_SESSION_H
#define SIM_SESSION_H

#include "text.h"
#include "timer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define SESSION_NAME_MAX 54
#define SESSION_STATUSES 3 /* how many the statuses of an event show */

struct gateway;

enum status {
	STATUS_STOPPED,
	STATUS_STARTING,
	STATUS_SCAN_QR_CODE,
	STATUS_WORKING,
	STATUS_FAILED,
	STATUS__MAX
};

/* Why a session stopped or failed. */
enum why {
	WHY_NONE,
	WHY_LOGGED_OUT, /* unlinked, by the phone or by us */
	WHY_QR_LIMIT,   /* nobody scanned */
	WHY_NETWORK,
};

struct session {
	struct session *chain; /* in the hash bucket */
	struct session *next;  /* in order of creation */
	struct session *prev;
	char name[SESSION_NAME_MAX + 1];
	enum status status;
	enum why why;
	bool linked;       /* has credentials */
	bool me_known;     /* the running object knows whom it is */
	bool network_down; /* until restored */
	bool resume;       /* ran before a simulated restart */
	int qr_shown;      /* QR codes of this start, 6 at most */
	int starting;      /* consecutive STARTING */
	unsigned generation;
	unsigned history_count;
	struct {
		enum status status;
		int64_t at;
	} history[SESSION_STATUSES]; /* oldest first */
	int64_t last_event_ms;
	int64_t activity_ms; /* 0: none */
	char *config;        /* JSON text, or NULL */
	bool has_webhooks;
	char *qr;   /* current raw value, or NULL */
	char *code; /* current pairing code, or NULL */
	char *phone;
	char *push_name;
	json_t *own; /* what only its kind of gateway knows of it, or NULL */
	struct timer timer;
};

/* The status as WAHA spells it, which is also how the control API does. */
const char *status_name(enum status status);

/* The status spelled so, or STATUS__MAX. */
enum status status_parse(const char *name);

/* A new stopped session, added to the gateway. The name must be free and valid. */
struct session *session_new(struct gateway *gw, const char *name);

/* Take the session out of the gateway and release it, without any event. */
void session_delete(struct gateway *gw, struct session *s);

/* Replace the configuration by this JSON text (NULL for none), which is taken over. */
void session_configure(struct session *s, char *config, bool has_webhooks);

/* Any status but STOPPED. */
bool session_running(const struct session *s);

/* Start a stopped session: a new session object, STARTING. */
void session_start(struct gateway *gw, struct session *s);

/* Stop a running session. */
void session_stop(struct gateway *gw, struct session *s);

/* Drop the credentials and stop, running or not. */
void session_logout(struct gateway *gw, struct session *s);

/* Drop the credentials, as WAHA's logout does to the stored ones. */
void session_unlink(struct session *s);

/* The phone scanned the QR (or typed the code): false if there is none now. */
bool session_scan(struct gateway *gw, struct session *s, const char *phone,
	const char *push_name);

/* The phone's user removed the linked device: false if it was not linked. */
bool session_phone_logout(struct gateway *gw, struct session *s);

/* Cut (or give back) the session's network. */
void session_drop(struct gateway *gw, struct session *s);
void session_restore(struct gateway *gw, struct session *s);

/* The gateway's process died: the session object is gone, nothing is told. */
void session_vanish(struct gateway *gw, struct session *s);

/* A pairing code for the current QR's link; the session keeps it. Only in
   SCAN_QR_CODE. */
const char *session_pairing_code(struct session *s);

/* The next event time of the session: now, but later than the one before. */
int64_t session_stamp(struct session *s);

#endif
