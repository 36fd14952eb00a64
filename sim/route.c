#include "route.h"

#include "mem.h"

#include <string.h>

void
route_split(struct request *r)
{
	char *save = NULL, *part;

	r->split = mem_copy(r->path);
	part = strtok_r(r->split, "/", &save);
	while (part != NULL && r->segs < REQUEST_SEGMENTS) {
		r->seg[r->segs++] = part;
		part = strtok_r(NULL, "/", &save);
	}
}

static bool
matches(const char *pattern, const struct request *r)
{
	size_t n;
	int i;

	for (i = 0; *pattern == '/' && pattern[1] != '\0'; i++) {
		pattern++;
		n = strcspn(pattern, "/");
		if (i >= r->segs)
			return false;
		if (!(n == 1 && *pattern == '*') &&
			(strlen(r->seg[i]) != n || strncmp(pattern, r->seg[i], n) != 0))
			return false;
		pattern += n;
	}
	return i == r->segs;
}

const struct route *
route_find(const struct route *table, size_t count, const struct request *r)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(table[i].method, r->method) == 0 &&
			matches(table[i].pattern, r))
			return &table[i];
	return NULL;
}
