#include "stats.h"

#include "mem.h"

#include <stdlib.h>
#include <string.h>

void
stats_count(struct stats *st, const char *method, const char *route, unsigned status)
{
	struct stat_line *l = st->lines, *end = l + st->count;

	for (; l != end; l++) {
		if (l->route == route && l->status == status && l->method == method) {
			l->count++;
			return;
		}
	}
	if (st->count == st->cap) {
		st->cap = st->cap == 0 ? 32 : st->cap * 2;
		st->lines = mem_grow(st->lines, st->cap * sizeof *st->lines);
	}
	l = &st->lines[st->count++];
	l->route = route;
	l->method = method;
	l->status = status;
	l->count = 1;
}

void
stats_add_json(const struct stats *st, struct text *out)
{
	const struct stat_line *l;
	size_t i;

	text_add(out, "[");
	for (i = 0; i < st->count; i++) {
		l = &st->lines[i];
		text_addf(out,
			"%s{\"method\":\"%s\",\"route\":\"%s\",\"status\":%u,"
			"\"count\":%llu}",
			i > 0 ? "," : "", l->method, l->route, l->status, l->count);
	}
	text_add(out, "]");
}

void
stats_clear(struct stats *st)
{
	free(st->lines);
	memset(st, 0, sizeof *st);
}
