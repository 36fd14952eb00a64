/*
 * session-config: a session's `config` as clients send it.
 *
 * Known members are kept as they came, unknown ones silently dropped, mistakes told in
 * the words of WAHA's validation.
 */
#ifndef SIM_WAHA_CONFIG_H
#define SIM_WAHA_CONFIG_H

#include "text.h"

#include <jansson.h>
#include <stdbool.h>

/* Append a problem to a JSON array of strings being built (without its brackets). */
void waha_config_problem(struct text *problems, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The configuration as JSON text to be freed; NULL if there is none. Mistakes are
   appended to problems. */
char *waha_config_clean(const json_t *config, struct text *problems, bool *has_webhooks)
	__attribute__((warn_unused_result));

/* Append the problems of a session's name; NULL and "" are fine. */
void waha_config_check_name(const json_t *name, struct text *problems);

#endif
