/* What of a history becomes which panel and line, what a description says of it, and the
 * same as numbers. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/history.h"

#define DESC_MAX 4096
#define LABEL_SIZE 16

struct labels {
	struct plot_tick ticks[HISTORY_TICKS_MAX];
	char text[HISTORY_TICKS_MAX][LABEL_SIZE];
};

static const char *
range_name(enum history_range r, enum lang lang)
{
	static const enum message names[] = {[HISTORY_HOUR] = MSG_LAST_HOUR,
		[HISTORY_DAY] = MSG_LAST_DAY,
		[HISTORY_WEEK] = MSG_LAST_WEEK};

	return message_text(names[r], lang);
}

/* Hours of the day; the day where a new one begins. */
static void
label_ticks(const struct history *h, enum lang lang, struct labels *out)
{
	static const char *const days[][7] = {
		[LANG_PT] = {"dom", "seg", "ter", "qua", "qui", "sex", "sáb"},
		[LANG_EN] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}};

	for (size_t i = 0; i < h->nticks; i++) {
		bool midnight = h->ticks[i].hour == 0 && h->ticks[i].minute == 0;

		if (h->range == HISTORY_WEEK || midnight)
			snprintf(out->text[i], LABEL_SIZE, "%s %d",
				days[lang][h->ticks[i].weekday % 7],
				h->ticks[i].day % 32);
		else
			snprintf(out->text[i], LABEL_SIZE, "%02d:%02d",
				h->ticks[i].hour % 24, h->ticks[i].minute % 60);
		out->ticks[i] = (struct plot_tick){.at = h->ticks[i].at,
			.label = out->text[i],
			.strong = midnight};
	}
}

/* --- The description --- */

static void
describe_series(const struct plot *p, const struct plot_series *s, const char *unit,
	struct buf *out)
{
	char last[PLOT_NUMBER_SIZE], least[PLOT_NUMBER_SIZE], most[PLOT_NUMBER_SIZE];
	double min = NAN, max = NAN, latest = NAN;

	for (size_t i = 0; i < p->n; i++) {
		min = fmin(min, s->values[i]); /* of a number and NAN: the number */
		max = fmax(max, s->values[i]);
		if (!isnan(s->values[i]))
			latest = s->values[i];
	}
	if (isnan(latest)) {
		buf_printf(out, " %s: %s.", s->name, p->gap_name);
		return;
	}
	plot_number(latest, p->lang, last);
	plot_number(min, p->lang, least);
	plot_number(max, p->lang, most);
	buf_printf(out, " %s: %s %s%s, %s %s%s, %s %s%s.", s->name,
		message_text(MSG_LATEST, p->lang), last, unit,
		message_text(MSG_LEAST, p->lang), least, unit,
		message_text(MSG_MOST, p->lang), most, unit);
}

static size_t
count_gaps(const struct plot *p)
{
	size_t n = 0;

	/* every sampled step has its first line, or the mark, known */
	for (size_t i = 0; i < p->n; i++)
		n += isnan(p->panels[0].marked != NULL
				? p->panels[0].marked[i]
				: p->panels[0].series[0].values[i]);
	return n;
}

static void
describe(const struct history *h, const struct plot *p, struct buf *out)
{
	size_t gaps = count_gaps(p);

	buf_printf(out, "%s – %s (%s).", h->begins, h->ends, h->zone);
	for (size_t k = 0; k < p->npanels; k++) {
		const char *unit = *p->panels[k].unit != '\0' ? " ms" : "";

		buf_printf(out, " %s.", p->panels[k].name);
		for (size_t i = 0; i < p->panels[k].nseries; i++)
			describe_series(p, &p->panels[k].series[i], unit, out);
	}
	if (gaps > 0)
		buf_printf(out, " %s: %zu/%zu.", p->gap_name, gaps, p->n);
}

/* --- Drawings --- */

/* A plot with what it points into. */
struct drawing {
	struct plot plot;
	struct labels labels;
	double derived[HISTORY_POINTS_MAX]; /* of several columns */
	struct buf title, desc;
};

/* What all have in common, once the panels are there. name: what it is a plot of. */
static void
finish(const struct history *h, const struct history_look *look, const char *name,
	struct drawing *d)
{
	struct plot *p = &d->plot;

	buf_init(&d->title, DESC_MAX);
	buf_init(&d->desc, DESC_MAX);
	label_ticks(h, look->lang, &d->labels);
	p->lang = look->lang;
	p->theme = look->theme;
	p->width = look->width;
	p->from = h->at[0];
	p->step = h->step;
	p->n = h->n;
	p->ticks = d->labels.ticks;
	p->nticks = h->nticks;
	p->gap_name = message_text(MSG_NO_DATA, look->lang);
	buf_printf(&d->title, "%s: %s", name, range_name(h->range, look->lang));
	describe(h, p, &d->desc);
	p->title = buf_str(&d->title);
	p->desc = buf_str(&d->desc);
}

static void
drawing_free(struct drawing *d)
{
	buf_free(&d->title);
	buf_free(&d->desc);
}

static void
pool_drawing(
	const struct history *h, const struct history_look *look, struct drawing *d)
{
	enum lang lang = look->lang;

	for (size_t i = 0; i < h->n; i++)
		d->derived[i] =
			h->values[POOL_MAKING][i] + h->values[POOL_RECYCLING][i];
	d->plot = (struct plot){.npanels = 2};
	d->plot.panels[0] = (struct plot_panel){
		.name = message_text(MSG_POOL_FREE, lang),
		.unit = "",
		.series = {{message_text(MSG_FREE, lang), h->values[POOL_FREE]},
			{message_text(MSG_TARGET, lang), h->values[POOL_TARGET]},
			{message_text(MSG_MAKING, lang), d->derived},
			{message_text(MSG_FREE_LEAST, lang), h->values[POOL_FREE_MIN]}},
		/* of one minute the mean is the least */
		.nseries = h->range == HISTORY_HOUR ? 3 : 4};
	d->plot.panels[1] = (struct plot_panel){
		.name = message_text(MSG_POOL_USED, lang),
		.unit = "",
		.series = {{message_text(MSG_ASSIGNED, lang), h->values[POOL_ASSIGNED]},
			{message_text(MSG_ONLINE, lang), h->values[POOL_ONLINE]}},
		.nseries = 2};
	finish(h, look, message_text(MSG_POOL, lang), d);
}

static void
server_drawing(
	const struct history *h, const struct history_look *look, struct drawing *d)
{
	enum lang lang = look->lang;

	for (size_t i = 0; i < h->n; i++)
		d->derived[i] = 1 - h->values[SERVER_UP][i];
	d->plot = (struct plot){.npanels = 2};
	d->plot.panels[0] = (struct plot_panel){.name = message_text(MSG_LATENCY, lang),
		.unit = "ms",
		.series = {{message_text(MSG_MEAN, lang), h->values[SERVER_LATENCY]},
			{message_text(MSG_LONGEST, lang),
				h->values[SERVER_LATENCY_MAX]}},
		.nseries = h->range == HISTORY_HOUR ? 1 : 2,
		.marked = d->derived,
		.marked_name = message_text(MSG_DOWN, lang)};
	d->plot.panels[1] =
		(struct plot_panel){.name = message_text(MSG_SESSIONS, lang),
			.unit = "",
			.series = {{message_text(MSG_SESSIONS_HELD, lang),
				h->values[SERVER_SESSIONS]}},
			.nseries = 1};
	finish(h, look, h->name, d);
}

bool
history_pool_svg(const struct history *h, const struct history_look *look,
	struct buf *out, struct err *e)
{
	struct drawing d;
	bool ok;

	pool_drawing(h, look, &d);
	ok = plot_svg(&d.plot, out, e);
	drawing_free(&d);
	return ok;
}

bool
history_server_svg(const struct history *h, const struct history_look *look,
	struct buf *out, struct err *e)
{
	struct drawing d;
	bool ok;

	server_drawing(h, look, &d);
	ok = plot_svg(&d.plot, out, e);
	drawing_free(&d);
	return ok;
}

/* --- As numbers --- */

/* To a hundredth: means have no end. */
static json_t *
number_or_null(double v)
{
	if (isnan(v))
		return json_null();
	return v == floor(v) ? json_integer((json_int_t)v)
			     : json_real(round(v * 100) / 100);
}

static json_t *
json_of(const struct history *h, const char *const *names, size_t columns,
	const struct drawing *d)
{
	json_t *points = json_array();

	for (size_t i = 0; i < h->n; i++) {
		json_t *o = json_object();
		char at[32];

		clock_rfc3339(h->at[i] * 1000, at, sizeof(at));
		json_object_set_new(o, "at", json_string(at));
		for (size_t c = 0; c < columns; c++)
			json_object_set_new(
				o, names[c], number_or_null(h->values[c][i]));
		json_array_append_new(points, o);
	}
	return json_pack("{s:s, s:i, s:s, s:s, s:s, s:o}", "range",
		history_range_word(h->range), "step", h->step, "timeZone", h->zone,
		"title", buf_str(&d->title), "description", buf_str(&d->desc), "points",
		points);
}

json_t *
history_pool_json(const struct history *h, enum lang lang)
{
	static const char *const names[] = {"target", "low", "free", "freeMin",
		"provisioning", "recycling", "assigned", "online"};
	const struct history_look look = {.lang = lang};
	struct drawing d;
	json_t *o;

	pool_drawing(h, &look, &d);
	o = json_of(h, names, POOL_COLUMNS, &d);
	drawing_free(&d);
	return o;
}

json_t *
history_server_json(const struct history *h, enum lang lang)
{
	static const char *const names[] = {
		"up", "latencyMs", "latencyMaxMs", "sessions"};
	const struct history_look look = {.lang = lang};
	struct drawing d;
	json_t *o;

	server_drawing(h, &look, &d);
	o = json_of(h, names, SERVER_COLUMNS, &d);
	json_object_set_new(o, "server", json_string(h->name));
	drawing_free(&d);
	return o;
}
