/*
 * health: the judgement on one instance: the six states of seed 002, each with a reason that a
 * person understands and what is to be done. One pure function over facts; it asks nobody, so
 * that its whole table is tested row by row (t/unit/health-t.c, docs/health.md).
 *
 * The seed's five checks all take part: existence (is the session there?), connection (the
 * gateway's state), timeout (how long in it), consistency (gateway against database) and
 * functionality (can it give a QR?). One bad sample decides nothing that cannot be undone.
 * Safe from any thread.
 */
#ifndef WAPOOL_HEALTH_H
#define WAPOOL_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/gateway.h"

enum health {
	HEALTH_HEALTHY,      /* works, or stands by as it should */
	HEALTH_DISCONNECTED, /* nobody is connected, and nobody need be: waits for a scan */
	HEALTH_DEGRADED,  /* slight trouble that passes, or that a restart may mend */
	HEALTH_STUCK,     /* hangs in a passing state */
	HEALTH_CORRUPTED, /* gateway and database contradict each other */
	HEALTH_NOT_FOUND  /* the gateway has no such session */
};

/* What should be done about it, gentlest first. */
enum remedy {
	REMEDY_NONE,
	REMEDY_RESTART, /* the ladder: restart, then logout and restart, then cleanup */
	REMEDY_CLEANUP, /* delete and make anew; nobody's pairing is lost by it */
	REMEDY_RELEASE /* the phone is gone for good: the owner loses it, then cleanup */
};

/* How the gateway answered. */
enum health_answer {
	ANSWER_SESSION, /* `state` is what it says */
	ANSWER_ABSENT,  /* it knows no such session */
	ANSWER_FAILED,  /* it answered, but not about this session (a lock, a 5xx) */
	ANSWER_NONE /* the server does not answer or refuses us: no word on the session */
};

/* Can it show a QR? Asked only of sessions that say they do. */
enum health_qr { QR_NOT_ASKED, QR_SHOWN, QR_REFUSED };

struct health_facts {
	enum health_answer answer;
	enum session_state state; /* of ANSWER_SESSION */
	const char *word; /* the gateway's own word, for the reason; NULL allowed */
	bool has_phone;   /* the gateway names a paired phone */
	enum health_qr qr;
	bool assigned;      /* the database: has an owner; otherwise it stands by */
	bool paired;        /* the database: a phone was connected for this owner */
	int64_t state_ms;   /* for how long the gateway has been in that state */
	int bad_samples;    /* looks in a row, this one included, that found trouble */
	enum health before; /* the last judgement */
	int64_t stuck_ms;   /* the setting HEALTH_STUCK_S; 0: HEALTH_STUCK_MS */
};

struct health_verdict {
	enum health state;
	enum remedy remedy;
	char reason[120]; /* English, one sentence without a period */
};

/* Limits, in milliseconds and looks. */
#define HEALTH_STUCK_MS 30000 /* seed 002: STARTING for longer is stuck */
/* a paired session may take this long: flaps are normal */
#define HEALTH_RECONNECT_MS 120000
#define HEALTH_SAMPLES 3 /* looks in a row before absence or silence counts */

/* The judgement. */
struct health_verdict health_judge(const struct health_facts *f);

/* The seed's word for a state ("healthy", ...); never NULL. */
const char *health_name(enum health h);

/* The state of that word; HEALTH_DEGRADED for an unknown one. */
enum health health_of(const char *name);

/* True for the states the seed calls well: healthy and disconnected. */
bool health_is_well(enum health h);

/* True if the seed's shouldCleanup is set: stuck and corrupted. */
bool health_should_cleanup(enum health h);

#endif
