/*
 * reseal: everything that is sealed in the database, sealed anew with the newest key.
 *
 * Goes through the places of a table (reseal.c) a batch at a time, each row in a statement of its
 * own that writes only what it has read: it may be stopped and begun again, and run while the
 * programs work. Needs app->seal. One thread.
 */
#ifndef WAPOOL_RESEAL_H
#define WAPOOL_RESEAL_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/app.h"
#include "lib/clock.h"

struct reseal {
	size_t place; /* private: where it is */
	char after[37];
	size_t done;   /* texts sealed anew so far */
	size_t failed; /* texts that cannot be opened; logged, left as they are */
};

/* Does a batch of a zeroed struct, or goes on; *more is false at the end. False on an error of
 * db or seal; the rows before it are done. */
bool reseal_batch(
	struct app *app, struct reseal *r, bool *more, deadline_t d, struct err *e);

#endif
