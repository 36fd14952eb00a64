/*
 * history: the pool and its servers over the last hour, day and week, from the samples
 * that the helper takes every minute (change `samples`): taken, read as numbers, drawn as
 * plots.
 *
 * Steps are a minute, ten minutes and an hour wide; one that was not sampled is a gap.
 * Errors: those of db and those named. Thread-safety: as db.
 */
#ifndef WAPOOL_HISTORY_H
#define WAPOOL_HISTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/app.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/plot.h"

enum history_range { HISTORY_HOUR, HISTORY_DAY, HISTORY_WEEK };

/* "hour", "day", "week". False for any other word. */
bool history_range_of(const char *word, enum history_range *out);
const char *history_range_word(enum history_range r);

/* Takes this minute's sample unless it is there: *taken tells. */
bool history_sample(struct app *app, deadline_t d, bool *taken, struct err *e);

/* A server answered in so many milliseconds. Never fails: an error is logged. */
void history_latency(struct app *app, const char *server_id, int64_t ms);

#define HISTORY_POINTS_MAX 168
#define HISTORY_TICKS_MAX 16

/* Columns of history.values: of the pool, or of a server. */
enum {
	POOL_TARGET,
	POOL_LOW,
	POOL_FREE, /* the mean of the step */
	POOL_FREE_MIN,
	POOL_MAKING,
	POOL_RECYCLING,
	POOL_ASSIGNED,
	POOL_ONLINE,
	POOL_COLUMNS
};
enum { SERVER_UP, SERVER_LATENCY, SERVER_LATENCY_MAX, SERVER_SESSIONS, SERVER_COLUMNS };

struct history {
	enum history_range range;
	int step; /* seconds */
	size_t n;
	int64_t at[HISTORY_POINTS_MAX]; /* when each step begins, seconds since 1970 */
	double values[POOL_COLUMNS][HISTORY_POINTS_MAX]; /* NAN: not known */
	char zone[64];                                   /* the hosting's */
	char begins[20], ends[20];                       /* there: "2026-01-31 12:00" */
	size_t nticks; /* marks of the axis of time, in the hosting's zone */
	struct {
		int64_t at;
		int hour, minute, day, weekday; /* 1 to 31; 0 is Sunday */
	} ticks[HISTORY_TICKS_MAX];
	char name[256]; /* of the server */
};

/* Reads the pool's, or a server's: ERR_NOT_FOUND if there is none of that id, which is a UUID. */
bool history_pool(struct app *app, enum history_range r, deadline_t d,
	struct history *out, struct err *e);
bool history_server(struct app *app, const char *server_id, enum history_range r,
	deadline_t d, struct history *out, struct err *e);

/* How a plot is wanted. */
struct history_look {
	enum lang lang;
	enum plot_theme theme;
	int width; /* PLOT_WIDTH_MIN to PLOT_WIDTH_MAX */
};

/* As numbers, with the title and description that the plot has: new references; NULL if
 * memory ran out. */
json_t *history_pool_json(const struct history *h, enum lang lang);
json_t *history_server_json(const struct history *h, enum lang lang);

/* Appends a plot; errors of plot_svg. */
bool history_pool_svg(const struct history *h, const struct history_look *look,
	struct buf *out, struct err *e);
bool history_server_svg(const struct history *h, const struct history_look *look,
	struct buf *out, struct err *e);

#endif
