/*
 * config: every setting of every program, read once from the environment.
 *
 * One table (config.c) holds each setting's name, type, range, default and help;
 * `wapoolctl config` prints it, and a test holds docs/configuration.md and the sample
 * environment file to it. Only this file of lib/ reads the environment.
 *
 * Thread-safety: config_load before threads; afterwards the struct is read-only.
 */
#ifndef WAPOOL_CONFIG_H
#define WAPOOL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

/* Texts are never NULL: "" means not set. Durations are in the unit of the name. */
struct config {
	char *database_url;
	char *waha_url;
	char *waha_api_key;
	int waha_max_sessions;
	char *evolution_api_url;
	char *evolution_api_key;
	int evolution_max_sessions;
	char *public_url;
	char *webhook_secret;
	char *jwt_secret;
	char *jwks_file;
	char *jwks_url;
	char *jwt_issuer;
	char *jwt_audience;
	int jwt_ttl_s;
	char *secret_key_file;
	int pool_target;
	int pool_low;
	int pool_step;
	int pool_max;
	int provision_parallel;
	int connect_deadline_ms;
	int gateway_timeout_ms;
	int gateway_start_grace_s;
	char *gateway_allow_private;
	int unpaired_ttl_s;
	int health_interval_s;
	int health_attempts;
	int health_retry_ms;
	int health_timeout_ms;
	int health_stuck_s;
	int threads;
	int db_pool;
	int db_timeout_ms;
	int request_deadline_ms;
	int message_retention_h;
	int event_retention_d;
	int idempotency_ttl_h;
	int idempotency_keys;
	int deliver_parallel;
	int delivery_timeout_ms;
	int webhook_disable_after_h;
	int device_limit;
	int server_limit;
	int own_webhooks_mb;
	int claim_limit;
	char *live_publish;
	char *tz; /* the hosting's, for the hours and days of quotas */
	char *log_level;
	char *ca_file;
};

/*
 * Fills *c from the environment. On the first bad value: false, and *e says which
 * setting, what it was given (unless secret) and what is allowed; *c is then empty.
 * Free with config_free.
 */
bool config_load(struct config *c, struct err *e);

/* The longest that any request may take, in milliseconds: a connect to its deadline, then what it
 * has to write down. Locks, graceful stops and nginx's time-outs must be longer. */
int config_longest_ms(const struct config *c);

/* Frees the texts. NULL is allowed. */
void config_free(struct config *c);

/* What one row of the table tells a person. */
struct config_help {
	const char *name;
	const char *alias;    /* read when the first name is unset, or NULL */
	const char *fallback; /* the default as text */
	const char *help;
	bool secret; /* its value is for nobody's eyes */
};

/* Row i of the table into *out, whose texts are constants; false past its end. */
bool config_help(size_t i, struct config_help *out);

#endif
