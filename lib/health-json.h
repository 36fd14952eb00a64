/*
 * health-json: answers of /livez and /readyz, as draft-inadarei-api-health-check-06 has
 * them.
 */
#ifndef WAPOOL_HEALTH_JSON_H
#define WAPOOL_HEALTH_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/response.h"

/* 200 with status "pass" or 503 with "fail", and the checks, whose reference is taken.
 */
void health_json(struct response *rs, bool pass, json_t *checks);

#endif
