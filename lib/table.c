#include "lib/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/utf8.h"

#define CELL_MAX 4096

/* A copy of the text that is safe to print; NULL if memory ran out. */
static char *
printable(const char *s)
{
	struct buf b;
	size_t n = s != NULL ? strlen(s) : 0, step;

	buf_init(&b, CELL_MAX);
	for (size_t i = 0; i < n; i += step != 0 ? step : 1) {
		unsigned char c = (unsigned char)s[i];

		step = utf8_char(s + i, n - i);
		/* C0, DEL, and C1, which UTF-8 writes as c2 80 to c2 9f */
		if (step == 0 || c < 0x20 || c == 0x7f ||
			(c == 0xc2 && (unsigned char)s[i + 1] < 0xa0))
			buf_puts(&b, "\xef\xbf\xbd");
		else
			buf_add(&b, s + i, step);
	}
	return b.len > 0 || b.failed ? buf_steal(&b) : strdup("");
}

void
table_init(struct table *t, const char *const *heads, size_t columns)
{
	*t = (struct table){.columns = columns};
	table_row(t, heads);
}

void
table_row(struct table *t, const char *const *cells)
{
	if (t->n + t->columns > t->room) {
		size_t room = t->room * 2 + 16 * t->columns;
		char **more = realloc(t->cells, room * sizeof(*more));

		if (more == NULL) {
			t->failed = true;
			return;
		}
		t->cells = more;
		t->room = room;
	}
	for (size_t i = 0; i < t->columns; i++) {
		char *cell = printable(cells[i]);

		t->failed |= cell == NULL;
		t->cells[t->n++] = cell;
	}
}

static size_t
width_of(const char *cell)
{
	return cell != NULL ? utf8_width(cell, strlen(cell)) : 0;
}

static void
render_row(
	const struct table *t, char *const *row, const size_t *widths, struct buf *out)
{
	size_t pad = 0; /* owed to the cells before, paid if another follows */

	for (size_t i = 0; i < t->columns; i++) {
		const char *cell = row[i] != NULL ? row[i] : "";

		if (*cell != '\0') {
			buf_printf(out, "%*s%s", (int)pad, "", cell);
			pad = 0;
		}
		pad += widths[i] - width_of(cell) + 2;
	}
	buf_putc(out, '\n');
}

bool
table_render(const struct table *t, struct buf *out)
{
	size_t widths[TABLE_COLUMNS] = {0};

	for (size_t i = 0; i < t->n; i++) {
		size_t width = width_of(t->cells[i]), *widest = &widths[i % t->columns];

		if (width > *widest)
			*widest = width;
	}
	for (size_t i = 0; i < t->n; i += t->columns)
		render_row(t, t->cells + i, widths, out);
	return !t->failed && !out->failed;
}

void
table_free(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table){0};
}

const char *
table_duration(int64_t ms, char out[TABLE_DURATION])
{
	static const struct {
		int64_t ms;
		const char *big, *small;
		int64_t part; /* the small one */
	} units[] = {
		{86400000, "d", "h", 3600000},
		{3600000, "h", "min", 60000},
		{60000, "min", "s", 1000},
	};

	out[0] = '\0';
	if (ms < 0)
		return out;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (ms >= units[i].ms) {
			snprintf(out, TABLE_DURATION, "%lld %s %lld %s",
				(long long)(ms / units[i].ms), units[i].big,
				(long long)(ms % units[i].ms / units[i].part),
				units[i].small);
			return out;
		}
	if (ms >= 1000)
		snprintf(out, TABLE_DURATION, "%lld.%lld s", (long long)(ms / 1000),
			(long long)(ms % 1000 / 100));
	else
		snprintf(out, TABLE_DURATION, "%lld ms", (long long)ms);
	return out;
}
