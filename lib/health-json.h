/*
 * health-json: answers of /livez and /readyz, as draft-inadarei-api-health-check-06 has
 * them. Thread-safety: as response, which belongs to one thread.
 */
#ifndef WAPOOL_HEALTH_JSON_H
#define WAPOOL_HEALTH_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/response.h"

/* Answers 200 with status "pass" or 503 with "fail", and with the checks, unless there
 * are none. Takes their reference; NULL is none. */
void health_json(struct response *rs, bool pass, json_t *checks);

#endif
