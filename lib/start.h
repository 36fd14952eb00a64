/*
 * start: sessions started and restarted, by one at a time where two at once do harm
 * (struct gateway's start_once): two clicks, a click and the helper, two helpers.
 *
 * Who comes while another is at it does nothing, and has succeeded: he looks at the state
 * next, as after any command. Each call is otherwise the driver's, with its errors; also those of
 * db, where a turn is asked for. No connection to the database is held meanwhile.
 * Thread-safety: any thread.
 */
#ifndef WAPOOL_START_H
#define WAPOOL_START_H

#include "lib/app.h"
#include "lib/gateway.h"

bool start_session(struct app *app, const struct server *s, const char *name,
	deadline_t d, struct err *e);
bool start_again(struct app *app, const struct server *s, const char *name,
	deadline_t d, struct err *e);

#endif
