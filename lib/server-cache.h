/*
 * server-cache: servers remembered between requests, for who would otherwise read a
 * row, and open its secrets, for each of thousands of webhooks a second.
 *
 * What is remembered may be SERVER_CACHE_MS old. So whoever decides by it has the
 * database check that decision (webhook_store's p_mark). A row whose webhook secret stands
 * in clear is never remembered: nothing tells its secrets apart.
 *
 * Thread-safety: all functions may run in any thread; a server is read-only.
 */
#ifndef WAPOOL_SERVER_CACHE_H
#define WAPOOL_SERVER_CACHE_H

#include "lib/app.h"
#include "lib/clock.h"
#include "lib/gateway.h"

#define SERVER_CACHE_MS 10000

struct server_cache;
struct server_entry;

/* NULL: out of memory. */
struct server_cache *server_cache_new(void) __attribute__((warn_unused_result));

/* Wipes and frees; every entry must have been put back. NULL is allowed. */
void server_cache_free(struct server_cache *c);

/* The server of that id, a UUID; anew: as it is now. Needs app->servers. NULL with an error
 * of server_load. Return it with server_cache_put. */
struct server_entry *server_cache_get(struct app *app, const char *id, bool anew,
	deadline_t d, struct err *e) __attribute__((warn_unused_result));

/* Borrowed from the entry, until that is put back. */
const struct server *server_of_entry(const struct server_entry *entry);

/* NULL is allowed. */
void server_cache_put(struct server_cache *c, struct server_entry *entry);

#endif
