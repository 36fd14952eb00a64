/* server-int: what server and pool share: a row of waha_servers. */
#ifndef WAPOOL_SERVER_INT_H
#define WAPOOL_SERVER_INT_H

#include <libpq-fe.h>

#include "lib/server.h"

#define SERVER_FORMER                                                                  \
	"CASE WHEN s.webhook_secret <> '' THEN s.webhook_secret_sealed"                \
	" WHEN s.webhook_secret_former_until > statement_timestamp()"                  \
	" THEN s.webhook_secret_former END"

/* What server_of_row reads of `waha_servers s`. */
#define SERVER_COLUMNS                                                                     \
	"s.id, s.kind, s.api_url, s.api_key, s.api_key_sealed, s.webhook_secret, "         \
	"s.webhook_secret_sealed, s.timeout, (SELECT id FROM installation), "              \
	"s.version, s.retry_attempts, s.user_id IS NOT NULL, s.rate_limit, " SERVER_FORMER \
	", "                                                                               \
	"CASE WHEN coalesce(s.webhook_secret, '') = '' THEN "                              \
	"md5(s.webhook_secret_sealed) END, "                                               \
	"CASE WHEN coalesce(s.webhook_secret, '') = '' THEN "                              \
	"md5(s.webhook_secret_sealed || coalesce(s.api_key_sealed, '')) END, "             \
	"md5(" SERVER_FORMER " || coalesce(s.api_key_sealed, ''))"

/* The server in that row, SERVER_COLUMNS beginning at column `first`. NULL with any
 * error of server_load but those of db. Free with server_free. */
struct server *server_of_row(struct app *app, const PGresult *r, int row, int first,
	struct err *e) __attribute__((warn_unused_result));

#endif
