/*
 * fault: what goes wrong on purpose.
 *
 * A gateway has a list of faults; each is rolled where it applies, with its own
 * probability. Called with the gateway's lock held.
 */
#ifndef SIM_FAULT_H
#define SIM_FAULT_H

#include "text.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

struct gateway;

enum fault_kind {
	/* on an API request, in the order of the list */
	FAULT_LATENCY,      /* ms more before the answer */
	FAULT_HANG,         /* never answers */
	FAULT_STATUS,       /* this HTTP status, with a Nest-like body */
	FAULT_GARBAGE,      /* 200 with bytes that are no JSON */
	FAULT_RESET,        /* connection reset without an answer */
	FAULT_UNAUTHORIZED, /* 401 */
	FAULT_LOCK_TIMEOUT, /* lifecycle calls: 5 s, then 500 async-lock timed out */
	/* on what the request does */
	FAULT_GHOST,          /* listed, but GET answers 404 */
	FAULT_DELETE_LINGERS, /* DELETE answers 200 and only stops */
	FAULT_STUCK_STARTING, /* a start never leaves STARTING */
	/* on webhooks */
	FAULT_WEBHOOK_LOST,
	FAULT_WEBHOOK_DOUBLE,
	FAULT_SILENT, /* the session emits no event at all */
	FAULT__MAX
};

struct fault {
	enum fault_kind kind;
	double rate;
	char session[64]; /* empty: any */
	char path[128];   /* prefix of the request's path; empty: any */
	int64_t ms;
	unsigned status;
	unsigned long long hits;
};

struct faults {
	struct fault *list;
	size_t count;
};

/* The first fault of that kind that fits and strikes now (counted as a hit), or NULL.
   session and path may be NULL: then only faults that do not ask for one fit. The
   result is valid while the lock is held. */
const struct fault *fault_roll(struct gateway *gw, enum fault_kind kind,
	const char *session, const char *path);

/* Roll the i-th fault of the list, if it is one on requests and fits: the fault if it
   strikes, else NULL. */
const struct fault *
fault_roll_request(struct gateway *gw, size_t i, const char *session, const char *path);

/* Replace the list by the JSON {"faults":[...]}. On a mistake the list stays and the
   reason, to be freed, is returned; NULL if all is well. */
char *faults_set(struct faults *faults, const json_t *body)
	__attribute__((warn_unused_result));

/* Append {"faults":[...]} with hit counts. */
void faults_add_json(const struct faults *faults, struct text *out);

/* Empty the list. */
void faults_clear(struct faults *faults);

#endif
