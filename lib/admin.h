/*
 * admin: instances that an administrator makes by their names (seed 003). They belong to the platform's
 * user, stay assigned until they are deleted, and are no part of the pool.
 *
 * `actor` is who the trail shall show; NULL for the program itself. No transaction is open
 * while a gateway is asked. Errors: those of db, server and gateway, and those named.
 * Thread-safety: as db and http.
 */
#ifndef WAPOOL_ADMIN_H
#define WAPOOL_ADMIN_H

#include <stdbool.h>

#include "lib/app.h"
#include "lib/connect.h"
#include "lib/instance.h"
#include "lib/message.h"

#define ADMIN_NAME_MAX 64 /* what every kind of gateway takes */

/* True for 1 to ADMIN_NAME_MAX of [A-Za-z0-9_-] that are no name of the pool's form,
 * pool-<n>-<n>. NULL is not. */
bool admin_name_valid(const char *name);

struct admin_wish {
	const char *name; /* valid */
	/* id or name; NULL: the best, or the next if that one refuses */
	const char *server;
	const char *number; /* digits, or NULL: the phone that is to be connected */
	const char *actor;
};

/*
 * Makes the instance and, at its gateway, its session, stopped. Into out->claim. False: nothing
 * is left of it, *problem is what to answer and *e why: PROBLEM_NAME_TAKEN (also by
 * a session of somebody else's at the gateway), PROBLEM_INVALID (no such server; several
 * of that name), PROBLEM_NO_ROOM, PROBLEM_GATEWAY, PROBLEM_GATEWAY_SLOW,
 * PROBLEM_UNAVAILABLE.
 */
bool admin_make(struct app *app, const struct admin_wish *wish, deadline_t d,
	struct claim *out, enum problem *problem, struct err *e);

/* Brings the instance of out->claim to show a QR and waits for it, as connect does; what was shown is
 * written down. Free *out with connect_result_free in any case. */
bool admin_show(struct app *app, deadline_t d, struct connect_result *out,
	enum problem *problem, struct err *e);

/* The claim of an instance that an administrator made, whose QR is asked for now.
 * ERR_CONFLICT: it is no such instance, or is being deleted. */
bool admin_ask(struct app *app, const struct instance *i, deadline_t d,
	struct claim *out, struct err *e);

enum admin_command { ADMIN_RESTART, ADMIN_LOGOUT };

/* Gives the gateway a command to an assigned instance's session, and reads its state again: into
 * i->status. ERR_CONFLICT if it is not assigned. */
bool admin_command(struct app *app, struct instance *i, enum admin_command what,
	const char *actor, deadline_t d, struct err *e);

/* Takes an assigned instance from its owner: the helper empties its session. The pool's is made anew
 * then, an administrator's is gone. *released is false if it was not assigned any more. */
bool admin_release(struct app *app, const struct instance *i, const char *reason,
	const char *actor, deadline_t d, bool *released, struct err *e);

#endif
