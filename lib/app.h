/*
 * app: what every program of wapool holds open: configuration, the pool of database
 * connections, the keys. Made once in main, before threads, and passed down; beside it
 * only log keeps something of its own (the program's name, the level, a thread's
 * request). Thread-safety: app_open before threads and app_close after them; in between
 * the struct is read-only but for the four that are atomic.
 */
#ifndef WAPOOL_APP_H
#define WAPOOL_APP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/config.h"
#include "lib/err.h"

struct db_pool;
struct http;
struct jwt_keys;
struct live;
struct seal_key;
struct server_cache;
struct share;

/* What a program needs besides configuration and log. */
enum {
	APP_DB = 1,      /* DATABASE_URL must be set; connections open at first use */
	APP_AUTH = 2,    /* JWT_SECRET or JWKS_* must be set */
	APP_SEAL = 4,    /* SECRET_KEY_FILE must be readable */
	APP_HTTP = 8,    /* calls gateways */
	APP_SERVERS = 16 /* remembers servers (lib/server-cache) */
};

struct app {
	struct config config;
	bool patient; /* its calls of servers that have a limit let others' go first */
	struct db_pool *db; /* NULL without APP_DB, and so on */
	struct jwt_keys *jwt;
	struct seal_key *seal;
	struct http *http;
	struct server_cache *servers;
	struct live *live;             /* NULL without LIVE_PUBLISH */
	struct share *share;           /* the responder's, or NULL */
	pthread_mutex_t jwks_lock;     /* held while JWKS_URL is fetched */
	atomic_int_least64_t jwks_due; /* clock_ms() of the next fetch */
	atomic_int_least64_t
		jwks_again;           /* before which none is made for unknown keys */
	atomic_int_least64_t refused; /* webhooks, not yet written: lib/metrics.h */
	atomic_int_least64_t refused_due; /* clock_ms() of the next writing */
};

/* Loads the configuration, sets up the log under `program`, initialises the libraries
 * that want it before threads, and opens what `needs` names. False with *e on the first
 * failure; app is then closed. */
bool app_open(struct app *app, const char *program, unsigned needs, struct err *e);

/* Closes all; the struct may be zeroed or partly open. */
void app_close(struct app *app);

#endif
