#include "lib/plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lib/svg.h"
#include "lib/utf8.h"

#define MARGIN 8
#define LETTER_WIDTH 6.7 /* of a letter of 12 pixels, rather too wide than too narrow */
#define LINE_HEIGHT 18
#define PANEL_HEIGHT 112
#define PANEL_GAP 14
#define Y_STEPS 4
#define SAMPLE_WIDTH 26 /* of a line in the legend */

#define LIGHT                                                                          \
	"svg{color:#212529}.s0{stroke:#0a58ca}.s1{stroke:#b02a37}.s2{stroke:#146c43}"  \
	".s3{stroke:#59339d}"
#define DARK                                                                           \
	"svg{color:#dee2e6}.s0{stroke:#6ea8fe}.s1{stroke:#ea868f}.s2{stroke:#75b798}"  \
	".s3{stroke:#c29ffa}"
#define COMMON                                                                         \
	"text{fill:currentColor;font:12px system-ui,sans-serif}.b{font-weight:600}"    \
	".g{stroke:currentColor;stroke-opacity:.16}"                                   \
	".t{stroke:currentColor;stroke-opacity:.45}"                                   \
	".l{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"      \
	".s1{stroke-dasharray:7 5}.s2{stroke-dasharray:1 5}"                           \
	".s3{stroke-dasharray:9 4 1 4}"                                                \
	".h{stroke:currentColor;stroke-opacity:.35}"                                   \
	".m{fill:currentColor;fill-opacity:.28}"

static const char *const styles[] = {
	[PLOT_AUTO] = ":root{color-scheme:light dark}" COMMON LIGHT
		      "@media(prefers-color-scheme:dark){" DARK "}",
	[PLOT_LIGHT] = ":root{color-scheme:light}" COMMON LIGHT,
	[PLOT_DARK] = ":root{color-scheme:dark}" COMMON DARK,
};

/* Where things are; in pixels. */
struct frame {
	double left, width; /* of the points */
	double top;         /* of the panel in hand */
	double max;         /* its highest value */
	double step;        /* of its axis */
};

const char *
plot_number(double v, enum lang lang, char out[PLOT_NUMBER_SIZE])
{
	char digits[PLOT_NUMBER_SIZE];
	char *to = out;
	int n = snprintf(digits, sizeof(digits), "%.0f", fmin(fmax(v, 0), 1e15));

	for (int i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			*to++ = lang == LANG_PT ? '.' : ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return out;
}

double
plot_step(double max, int most)
{
	double power = pow(10, floor(log10(fmax(max / most, 1))));
	static const double round[] = {1, 2, 5, 10};

	for (size_t i = 0; i < sizeof(round) / sizeof(round[0]); i++)
		if (round[i] * power * most >= max)
			return round[i] * power;
	return 20 * power; /* what rounding of the power left over */
}

static double
text_width(const char *s)
{
	return LETTER_WIDTH * (double)utf8_width(s, strlen(s));
}

static double
highest(const struct plot *p, const struct plot_panel *panel)
{
	double max = 1;

	for (size_t s = 0; s < panel->nseries; s++)
		for (size_t i = 0; i < p->n; i++)
			if (panel->series[s].values[i] > max) /* false for NAN */
				max = panel->series[s].values[i];
	return max;
}

/* True if nothing at all is known of that point. */
static bool
is_gap(const struct plot *p, size_t i)
{
	for (size_t k = 0; k < p->npanels; k++) {
		const struct plot_panel *panel = &p->panels[k];

		for (size_t s = 0; s < panel->nseries; s++)
			if (!isnan(panel->series[s].values[i]))
				return false;
		if (panel->marked != NULL && !isnan(panel->marked[i]))
			return false;
	}
	return true;
}

static bool
has_gap(const struct plot *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (is_gap(p, i))
			return true;
	return false;
}

static bool
has_marks(const struct plot *p, const struct plot_panel *panel)
{
	for (size_t i = 0; panel->marked != NULL && i < p->n; i++)
		if (panel->marked[i] > 0)
			return true;
	return false;
}

/* --- Pieces --- */

static void
text_at(struct svg *s, double x, double y, const char *anchor, const char *class,
	const char *text)
{
	svg_start(s, "text");
	if (*class != '\0')
		svg_attr(s, "class", class);
	svg_attrf(s, "x", "%.1f", x);
	svg_attrf(s, "y", "%.1f", y);
	if (*anchor != '\0')
		svg_attr(s, "text-anchor", anchor);
	svg_text(s, text);
	svg_end(s);
}

static void
path_of(struct svg *s, const char *class, const char *d)
{
	svg_start(s, "path");
	svg_attr(s, "class", class);
	svg_attr(s, "d", d);
	svg_end(s);
}

static void
line_between(
	struct svg *s, const char *class, double x0, double y0, double x1, double y1)
{
	char d[96];

	snprintf(d, sizeof(d), "M%.1f %.1fL%.1f %.1f", x0, y0, x1, y1);
	path_of(s, class, d);
}

static void
box(struct svg *s, const char *class, const char *fill, double x, double y,
	double width, double height)
{
	svg_start(s, "rect");
	if (*class != '\0')
		svg_attr(s, "class", class);
	if (*fill != '\0')
		svg_attr(s, "fill", fill);
	svg_attrf(s, "x", "%.1f", x);
	svg_attrf(s, "y", "%.1f", y);
	svg_attrf(s, "width", "%.1f", width);
	svg_attrf(s, "height", "%.1f", height);
	svg_end(s);
}

/* The hatching of gaps. */
static void
hatching(struct svg *s)
{
	svg_start(s, "pattern");
	svg_attr(s, "id", "gap");
	svg_attr(s, "width", "6");
	svg_attr(s, "height", "6");
	svg_attr(s, "patternUnits", "userSpaceOnUse");
	path_of(s, "h", "M0 6L6 0");
	svg_end(s);
}

/* --- The legend --- */

/* The next place for an item so wide; on the next line if it does not fit on this one. */
static void
legend_place(const struct plot *p, double width, double *x, double *y)
{
	if (*x > MARGIN && *x + width > p->width - MARGIN) {
		*x = MARGIN;
		*y += LINE_HEIGHT;
	}
}

enum swatch { SWATCH_LINE, SWATCH_MARK, SWATCH_GAP };

static void
legend_item(const struct plot *p, struct svg *s, enum swatch kind, size_t i,
	const char *name, double *x, double *y)
{
	char class[24];
	double width = SAMPLE_WIDTH + 6 + text_width(name);

	legend_place(p, width, x, y);
	snprintf(class, sizeof(class), "l s%zu", i);
	if (s != NULL) {
		if (kind == SWATCH_LINE)
			line_between(s, class, *x, *y - 4, *x + SAMPLE_WIDTH, *y - 4);
		else
			box(s, kind == SWATCH_MARK ? "m" : "",
				kind == SWATCH_GAP ? "url(#gap)" : "", *x, *y - 10,
				SAMPLE_WIDTH, 12);
		text_at(s, *x + SAMPLE_WIDTH + 6, *y, "", "", name);
	}
	*x += width + 16;
}

/* Writes it, or with s NULL only measures: where its last line is. */
static double
legend(const struct plot *p, const struct plot_panel *panel, struct svg *s, double top)
{
	double x = MARGIN, y = top + LINE_HEIGHT - 4;

	if (s != NULL)
		text_at(s, x, y, "", "b", panel->name);
	x += text_width(panel->name) * 1.1 + 16;
	for (size_t i = 0; i < panel->nseries; i++)
		legend_item(p, s, SWATCH_LINE, i, panel->series[i].name, &x, &y);
	if (has_marks(p, panel))
		legend_item(p, s, SWATCH_MARK, 0, panel->marked_name, &x, &y);
	if (has_gap(p))
		legend_item(p, s, SWATCH_GAP, 0, p->gap_name, &x, &y);
	return y;
}

/* --- A panel --- */

static double
y_of(const struct frame *f, double v)
{
	return f->top + PANEL_HEIGHT - v / f->max * PANEL_HEIGHT;
}

static void
y_axis(const struct plot *p, const struct plot_panel *panel, struct svg *s,
	const struct frame *f)
{
	for (double v = 0; v <= f->max; v += f->step) {
		char number[PLOT_NUMBER_SIZE], label[PLOT_NUMBER_SIZE + 16];
		double y = y_of(f, v);

		plot_number(v, p->lang, number);
		snprintf(label, sizeof(label), "%s%s%s", number,
			*panel->unit != '\0' ? " " : "", panel->unit);
		line_between(s, v > 0 ? "g" : "t", f->left, y, f->left + f->width, y);
		text_at(s, f->left - 6, y + 4, "end", "", label);
	}
}

static double
x_of(const struct plot *p, const struct frame *f, double point)
{
	return f->left + point / (double)p->n * f->width;
}

/* Where nothing is known, and what is marked: a box for each run of points alike. */
static void
boxes(const struct plot *p, const struct plot_panel *panel, struct svg *s,
	const struct frame *f)
{
	for (size_t i = 0, n; i < p->n; i += n) {
		bool gap = is_gap(p, i),
		     marked = panel->marked != NULL && panel->marked[i] > 0;
		double x = x_of(p, f, (double)i), width;

		for (n = 1; i + n < p->n && is_gap(p, i + n) == gap &&
			(panel->marked != NULL && panel->marked[i + n] > 0) == marked;)
			n++;
		width = x_of(p, f, (double)(i + n)) - x;
		if (gap)
			box(s, "", "url(#gap)", x, f->top, width, PANEL_HEIGHT);
		else if (marked)
			box(s, "m", "", x, f->top, width, PANEL_HEIGHT);
	}
}

/* A line, broken where a value is not known; a point alone is a dash. */
static void
line(const struct plot *p, const double *values, size_t which, struct svg *s,
	const struct frame *f)
{
	char class[24];
	bool down = false; /* the pen */
	struct buf d;

	buf_init(&d, 64 * p->n + 1);
	for (size_t i = 0; i < p->n; i++) {
		if (isnan(values[i])) {
			down = false;
			continue;
		}
		buf_printf(&d, "%c%.1f %.1f", down ? 'L' : 'M',
			x_of(p, f, (double)i + .5), y_of(f, values[i]));
		if (!down && (i + 1 == p->n || isnan(values[i + 1])))
			buf_puts(&d, "m-3 0h6");
		down = true;
	}
	snprintf(class, sizeof(class), "l s%zu", which);
	s->failed = s->failed || d.failed;
	if (d.len > 0)
		path_of(s, class, buf_str(&d));
	buf_free(&d);
}

static void
x_marks(const struct plot *p, struct svg *s, const struct frame *f)
{
	for (size_t i = 0; i < p->nticks; i++) {
		double x = x_of(p, f, (double)(p->ticks[i].at - p->from) / p->step);

		line_between(s, p->ticks[i].strong ? "t" : "g", x, f->top, x,
			f->top + PANEL_HEIGHT);
	}
}

/* Labels, as many as have room: every one, every second, ... counted from a new day if there is one. */
static void
x_labels(const struct plot *p, struct svg *s, const struct frame *f)
{
	double widest = 0, apart = f->width;
	size_t every = 1, first = 0;

	for (size_t i = 0; i < p->nticks; i++) {
		widest = fmax(widest, text_width(p->ticks[i].label) + 10);
		if (p->ticks[i].strong && first == 0)
			first = i;
		if (i > 0)
			apart = fmin(apart,
				(double)(p->ticks[i].at - p->ticks[i - 1].at) /
					p->step / (double)p->n * f->width);
	}
	while ((double)every * apart < widest && every < p->nticks)
		every++;
	for (size_t i = first % every; i < p->nticks; i += every) {
		double x = x_of(p, f, (double)(p->ticks[i].at - p->from) / p->step);
		double half = text_width(p->ticks[i].label) / 2;

		if (x - half >= 0 && x + half <= p->width)
			text_at(s, x, f->top + PANEL_HEIGHT + 16, "middle",
				p->ticks[i].strong ? "b" : "", p->ticks[i].label);
	}
}

static void
panel_of(const struct plot *p, const struct plot_panel *panel, struct svg *s,
	struct frame *f)
{
	f->top = legend(p, panel, s, f->top) + 12;
	f->step = plot_step(highest(p, panel), Y_STEPS);
	f->max = f->step * ceil(highest(p, panel) / f->step);
	boxes(p, panel, s, f);
	x_marks(p, s, f);
	y_axis(p, panel, s, f);
	for (size_t i = panel->nseries; i-- > 0;) /* the first is in front */
		line(p, panel->series[i].values, i, s, f);
}

/* --- All --- */

/* Room for the widest number of all panels, so that their points stand one above the other. */
static double
left_of(const struct plot *p)
{
	char number[PLOT_NUMBER_SIZE];
	double widest = 0;

	for (size_t i = 0; i < p->npanels; i++) {
		const struct plot_panel *panel = &p->panels[i];
		double max = highest(p, panel), step = plot_step(max, Y_STEPS);
		double unit = *panel->unit != '\0' ? text_width(panel->unit) + 4 : 0;

		plot_number(step * ceil(max / step), p->lang, number);
		widest = fmax(widest, text_width(number) + unit);
	}
	return MARGIN + widest + 8;
}

static int
height_of(const struct plot *p)
{
	double y = 0;

	for (size_t i = 0; i < p->npanels; i++)
		y = legend(p, &p->panels[i], NULL, y) + 12 + PANEL_HEIGHT + PANEL_GAP;
	return (int)y + LINE_HEIGHT;
}

bool
plot_svg(const struct plot *p, struct buf *out, struct err *e)
{
	struct frame f = {.left = left_of(p)};
	int height = height_of(p);
	struct svg s;

	f.width = p->width - f.left - MARGIN;
	svg_begin(&s, p->width, height);
	svg_attrf(&s, "width", "%d", p->width);
	svg_attrf(&s, "height", "%d", height);
	svg_attr(&s, "lang", p->lang == LANG_PT ? "pt-BR" : "en");
	svg_element(&s, "title", p->title);
	svg_element(&s, "desc", p->desc);
	svg_element(&s, "style", styles[p->theme]);
	hatching(&s);
	for (size_t i = 0; i < p->npanels; i++) {
		panel_of(p, &p->panels[i], &s, &f);
		if (i + 1 == p->npanels)
			x_labels(p, &s, &f);
		f.top += PANEL_HEIGHT + PANEL_GAP;
	}
	return svg_finish(&s, out, e);
}
