/*
 * device: the handle `deviceId` (also `device_id`) as requests carry it, and the devices that users
 * add and take away. Thread-safety: as request and response, which belong to one thread, and as db.
 */
#ifndef WAPOOL_DEVICE_H
#define WAPOOL_DEVICE_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/app.h"
#include "lib/auth.h"
#include "lib/request.h"
#include "lib/response.h"

#define DEVICE_ID_SIZE 37

/* The query's deviceId, "" if there is none. False: it is no UUID, and rs
 * holds the 422. */
bool device_of_query(
	const struct request *rq, char out[DEVICE_ID_SIZE], struct response *rs);

/* The body's deviceId, borrowed from it; *out is NULL if it is absent or null.
 * False as above. */
bool device_of_body(const struct request *rq, const json_t *body, const char **out,
	struct response *rs);

/* His devices and what each is connected to, as GET /device/list shows them, the oldest first, 1000 at
 * the most: a new array. NULL with *e: ERR_UNAUTHORIZED if his account was disabled, or another error
 * of db. */
json_t *device_list(struct app *app, const struct user *u, deadline_t d, struct err *e)
	__attribute__((warn_unused_result));

#define DEVICE_NAME_MAX 100 /* characters */

/* A further device of that user, whose first one is his default; name may be NULL. *out is "" if he has
 * DEVICE_LIMIT already. False on an error of db. */
bool device_add(struct app *app, const struct user *u, const char *name, deadline_t d,
	char out[DEVICE_ID_SIZE], struct err *e);

/* Takes back a device that device_add made and that has no instance. Never fails: one that stays is
 * found in the list. */
void device_unmake(struct app *app, const struct user *u, const char *id);

/* Takes a device away and gives its instance back. *known (set on success) is false if it is not one
 * of his. Wakes the helper. */
bool device_remove(struct app *app, const struct user *u, const char *id, deadline_t d,
	bool *known, struct err *e);

#endif
