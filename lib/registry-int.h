/*
 * registry-int: what registry.c and registry-view.c share; for no other file.
 */
#ifndef WAPOOL_REGISTRY_INT_H
#define WAPOOL_REGISTRY_INT_H

#include "lib/registry.h"

/* Of waha_servers AS s, in the order of enum registry_column. */
#define REGISTRY_COLUMNS                                                               \
	"s.id, s.user_id, s.nome, s.api_url, s.descricao, s.ativo, s.webhook_url, "    \
	"s.timeout, s.retry_attempts, s.rate_limit, s.prioridade, s.max_sessions, "    \
	"s.kind, s.sessions_ativas, s.health, s.health_reason, "                       \
	"s.version, " REGISTRY_TIME("s.checked_at") ", " REGISTRY_TIME(                \
		"s.created_at::timestamptz") ", " REGISTRY_TIME("s.updated_at::"       \
								"timestamptz") ", "    \
									       "s."    \
									       "drain" \
									       "ing_"  \
									       "at "   \
									       "IS "   \
									       "NOT "  \
									       "NULL," \
									       " s."   \
									       "remov" \
									       "ing_"  \
									       "at "   \
									       "IS "   \
									       "NOT "  \
									       "NULL," \
									       " s."   \
									       "api_"  \
									       "key, " \
									       "s."    \
									       "api_"  \
									       "key_"  \
									       "seale" \
									       "d, "   \
									       "coale" \
									       "sce("  \
									       "nulli" \
									       "f(s."  \
									       "webho" \
									       "ok_"   \
									       "secre" \
									       "t, "   \
									       "''), " \
									       "s."    \
									       "webho" \
									       "ok_"   \
									       "secre" \
									       "t_"    \
									       "seale" \
									       "d) "   \
									       "IS "   \
									       "NOT "  \
									       "NULL," \
									       " s."   \
									       "revis" \
									       "ion"
#define REGISTRY_TIME(column)                                                          \
	"to_char(" column " AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

enum registry_column {
	COL_ID,
	COL_USER_ID,
	COL_NOME, /* eleven in the order of enum registry_field */
	COL_API_URL,
	COL_DESCRICAO,
	COL_ATIVO,
	COL_WEBHOOK_URL,
	COL_TIMEOUT,
	COL_RETRY,
	COL_RATE,
	COL_PRIORITY,
	COL_MAX,
	COL_KIND,
	COL_SESSIONS,
	COL_HEALTH,
	COL_HEALTH_REASON,
	COL_VERSION,
	COL_CHECKED_AT,
	COL_CREATED_AT,
	COL_UPDATED_AT,
	COL_DRAINING,
	COL_REMOVING,
	COL_KEY,
	COL_KEY_SEALED,
	COL_HAS_SECRET,
	COL_REVISION
};

/* A row as a client sees it: a new reference, NULL if memory ran out. */
json_t *registry_row_json(struct app *app, const PGresult *r, int row);

#endif
