/*
 * instance: what is known of instances, for operators: one, found by its id or name; lists, a page at a
 * time; what happened to one. From the database alone: no gateway is asked. Nothing here is
 * bound to a user: whoever calls has checked that an operator asks.
 *
 * Times are RFC 3339 in UTC, "" for never; texts are "" where there is nothing. Errors: those of db and
 * those named. Thread-safety: as db.
 */
#ifndef WAPOOL_INSTANCE_H
#define WAPOOL_INSTANCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/app.h"
#include "lib/clock.h"

#define INSTANCE_TIME_SIZE 25
#define INSTANCE_CURSOR_SIZE 400 /* of the longest name */

struct instance {
	char id[37];
	char name[256];
	char server_id[37];
	char server[256]; /* its name */
	char kind[16];    /* of gateway */
	char origin[8];
	char lifecycle[16];
	char lifecycle_at[INSTANCE_TIME_SIZE];
	char status
		[51]; /* the gateway's word; MISSING while it has none of it for minutes */
	char status_at[INSTANCE_TIME_SIZE]; /* when we learnt it */
	char health[16];
	char health_reason[256];
	char health_at[INSTANCE_TIME_SIZE];
	char user_id[37];
	char email[255];
	char device_id[37];
	char phone[65];
	char profile[256];
	char assigned_at[INSTANCE_TIME_SIZE];
	char paired_at[INSTANCE_TIME_SIZE];
	char connected_at[INSTANCE_TIME_SIZE]; /* the last time it was known to be */
	char created_at[INSTANCE_TIME_SIZE];
	char looked_at
		[INSTANCE_TIME_SIZE]; /* the last look at its server that succeeded */
	char last_error[256];
	int64_t epoch, generation;
	bool paired;
};

/* True while a phone is connected, as far as the gateway has told. */
bool instance_is_online(const struct instance *i);

/* Seed 003's word for that: "connected" or "disconnected". */
const char *instance_status(const struct instance *i);

/*
 * The instance of that id or present name. If there is none and former is true, the one that
 * last had that name. ERR_NOT_FOUND; ERR_CONFLICT if several servers have one of that name.
 */
bool instance_get(struct app *app, const char *which, bool former, deadline_t d,
	struct instance *out, struct err *e);

#define INSTANCE_PAGE_MAX 200

/* Members that are NULL or "" do not filter. */
struct instance_filter {
	const char *lifecycle; /* NULL: all but retired ones */
	const char *health;
	const char *server; /* id or name */
	const char *status; /* the gateway's word, or "connected", "disconnected" */
	const char *origin;
	const char *text;   /* in the name, in any case */
	const char *cursor; /* where the page before ended */
	int limit;          /* 1 to INSTANCE_PAGE_MAX */
};

struct instance_page {
	struct instance *rows;
	size_t n;
	char next[INSTANCE_CURSOR_SIZE]; /* "" at the end */
};

/* A page, in the order of names. Pages go on where the one before ended, whatever came or went
 * meanwhile. ERR_INPUT: the cursor is none of ours. Free with instance_page_free in any case. */
bool instance_list(struct app *app, const struct instance_filter *f, deadline_t d,
	struct instance_page *out, struct err *e);
void instance_page_free(struct instance_page *p);

struct instance_event {
	char at[INSTANCE_TIME_SIZE];
	char kind[32];
	char from[256], to[256];
	char reason[256];
	char actor[128];
	int64_t duration_ms; /* how long the state before lasted, or the step took; -1: unknown */
	char user_id[37]; /* whose it was */
	int64_t id, epoch;
};

struct instance_trail {
	struct instance_event *rows;
	size_t n;
	char next[24]; /* of a page: the cursor of the one after it, "" at the end */
};

/* The last `limit` things that happened to it, the newest last. Free in any case. */
bool instance_trail(struct app *app, const char *id, int limit, deadline_t d,
	struct instance_trail *out, struct err *e);

/* A page of what happened to it, the newest first; cursor: digits, or NULL. Free in any case. */
bool instance_trail_page(struct app *app, const char *id, const char *cursor, int limit,
	deadline_t d, struct instance_trail *out, struct err *e);
void instance_trail_free(struct instance_trail *t);

/* New references, NULL if memory ran out. phones: the telephone number and profile name are in it. */
json_t *instance_json(const struct instance *i, bool phones);
json_t *instance_trail_json(const struct instance_trail *t);

#endif
