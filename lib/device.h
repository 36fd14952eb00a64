/*
 * device: the handle `deviceId` (also `device_id`) as requests carry it. Thread-safety: as request and
 * response, which belong to one thread.
 */
#ifndef WAPOOL_DEVICE_H
#define WAPOOL_DEVICE_H

#include <jansson.h>
#include <stdbool.h>

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

#endif
