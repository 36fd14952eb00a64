/*
 * plot: lines over time as an SVG image, in panels one above the other that share the axis of time.
 *
 * Made for people: round numbers at the axes, the legend tells lines by their dashes and
 * not by colour alone, a time without samples is a hatched gap and not a line through it,
 * and the image has a name and a description for who does not see it. Colours follow
 * prefers-color-scheme, or the theme asked for. Nothing is fetched, no script, a few
 * kilobytes; the same plot gives the same bytes. Thread-safety: pure functions, as
 * lib/svg.
 */
#ifndef WAPOOL_PLOT_H
#define WAPOOL_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/message.h"

#define PLOT_WIDTH 720 /* unless asked otherwise; units are pixels */
#define PLOT_WIDTH_MIN 280
#define PLOT_WIDTH_MAX 1600

enum plot_theme { PLOT_AUTO, PLOT_LIGHT, PLOT_DARK };

/* In the order of the lines of a panel, each has its own dashes and colour. */
#define PLOT_SERIES_MAX 4
struct plot_series {
	const char *name;
	const double *values; /* one for each point, 0 or more; NAN: not known */
};

struct plot_panel {
	const char *name;
	const char *unit; /* behind the axis' numbers: "ms"; or "" */
	struct plot_series series[PLOT_SERIES_MAX];
	size_t nseries;
	/* times to be marked, from 0 (not) to 1 (all of it), NAN: not known; or NULL */
	const double *marked;
	const char *marked_name;
};

struct plot_tick {
	int64_t at; /* seconds, as `from` */
	const char *label;
	bool strong; /* a new day */
};

#define PLOT_PANELS_MAX 2
struct plot {
	const char *title; /* its name */
	const char *desc;  /* what a description says of it */
	enum lang lang;
	enum plot_theme theme;
	int width;    /* PLOT_WIDTH_MIN to PLOT_WIDTH_MAX */
	int64_t from; /* when the first point begins, in seconds */
	int step;     /* how long each is */
	size_t n;     /* points */
	struct plot_panel panels[PLOT_PANELS_MAX];
	size_t npanels;
	/* in their order; those for which there is no room are left out */
	const struct plot_tick *ticks;
	size_t nticks;
	const char *gap_name; /* of times of which nothing is known */
};

/* Appends the image to out, which is unchanged on failure: ERR_NOMEM, ERR_TOO_LARGE. */
bool plot_svg(const struct plot *p, struct buf *out, struct err *e);

/* A number as people of that language write it, whole, with its thousands apart. */
#define PLOT_NUMBER_SIZE 32
const char *plot_number(double v, enum lang lang, char out[PLOT_NUMBER_SIZE]);

/* Round steps for an axis from 0: at most `most` of them reach max. At least 1. */
double plot_step(double max, int most);

#endif
