/*
 * server: rows of waha_servers, as the drivers need them: keys unsealed,
 * webhook address made.
 *
 * Keys come back in memory that is the caller's and that server_free wipes. All but
 * server_free and server_gateway need app->seal. Thread-safety: as db.
 */
#ifndef WAPOOL_SERVER_H
#define WAPOOL_SERVER_H

#include <stddef.h>

#include "lib/app.h"
#include "lib/db.h"
#include "lib/gateway.h"

/* The server of that id, which must be a UUID. NULL with ERR_NOT_FOUND, an error of
 * unseal (its key cannot be opened), ERR_CONFIG (its kind has no driver), ERR_NOMEM, or
 * an error of db. Free with server_free. */
struct server *server_load(struct app *app, const char *id, deadline_t d, struct err *e)
	__attribute__((warn_unused_result));

/*
 * Servers that may have sent a webhook about that session when no id was given: those
 * that have an instance of that name (the platform's first, so that no number of users can
 * crowd it out), and others of the platform; SERVERS_MAX at the most. They
 * are put into out (each to be freed), their number into *n; one that cannot be used is
 * logged and left out. False on an error of db, with *n 0.
 */
#define SERVERS_MAX 20
bool servers_of_session(struct app *app, const char *session,
	struct server *out[SERVERS_MAX], size_t *n, deadline_t d, struct err *e);

/* Wipes and frees. NULL is allowed. */
void server_free(struct server *s);

/* The driver of a server made here; never NULL. */
const struct gateway *server_gateway(const struct server *s);

/*
 * Makes or refreshes the platform's servers from WAHA_URL, WAHA_API_KEY and
 * WAHA_MAX_SESSIONS, and from EVOLUTION_API_URL and its like, with a webhook secret
 * (WEBHOOK_SECRET or 32 random bytes in hex, made once), sealed. Does nothing without
 * either URL. False on an error of db or seal.
 */
bool server_ensure_platform(struct app *app, deadline_t d, struct err *e);

/* Seals keys and secrets that stand in clear in a row (written by hand), and gives a
 * webhook secret to rows without one, 100 rows at the most. Adds the number of rows
 * done to *n. False at the first error of db or seal; the rows before it are done. */
bool servers_seal(struct app *app, size_t *n, deadline_t d, struct err *e);

#endif
