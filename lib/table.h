/*
 * table: columns of text for people, aligned by what characters take on a terminal. Nothing is cut.
 * What could move a terminal's cursor (control characters in a profile's name, say) and bytes that are no
 * UTF-8 are shown as U+FFFD. Thread-safety: a table belongs to one thread.
 */
#ifndef WAPOOL_TABLE_H
#define WAPOOL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define TABLE_COLUMNS 12
#define TABLE_DURATION 48

struct table {
	size_t columns;
	char **cells; /* row by row */
	size_t n, room;
	bool failed; /* memory ran out */
};

/* A table whose first row is `heads`, 1 to TABLE_COLUMNS of them. Free with table_free. */
void table_init(struct table *t, const char *const *heads, size_t columns);

/* Adds a row of that many cells, which are copied; NULL is an empty one. */
void table_row(struct table *t, const char *const *cells);

/* Appends the lines; two spaces between columns, none at a line's end. False if a row or a line did
 * not fit into memory or out. */
bool table_render(const struct table *t, struct buf *out);

void table_free(struct table *t);

/* A duration as people say it: "85 ms", "12.3 s", "5 min 2 s", "3 h 4 min", "2 d 7 h". "" if it is
 * negative. Into out, which holds TABLE_DURATION bytes. */
const char *table_duration(int64_t ms, char out[TABLE_DURATION]);

#endif
