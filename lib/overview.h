/*
 * overview: what an operator looks at first: the pool, its servers, alarms, long work and
 * how far it is, the helpers. From the database alone, most of it from kept counts: no
 * gateway is asked. Errors: those of db. Thread-safety: as db.
 */
#ifndef WAPOOL_OVERVIEW_H
#define WAPOOL_OVERVIEW_H

#include <jansson.h>

#include "lib/app.h"
#include "lib/clock.h"

/* All of it as docs/api.md has it under GET /admin/pool: a new reference, NULL with *e. */
json_t *overview(struct app *app, deadline_t d, struct err *e)
	__attribute__((warn_unused_result));

#endif
