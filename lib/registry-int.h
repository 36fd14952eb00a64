/*
 * registry-int: what registry.c and registry-view.c share; for no other file.
 */
#ifndef WAPOOL_REGISTRY_INT_H
#define WAPOOL_REGISTRY_INT_H

#include "lib/registry.h"

/* Of waha_servers AS s, in the order of enum registry_column. */
#define REGISTRY_COLUMNS                                                               \
	"s.id, s.user_id, s.nome, s.api_url, s.descricao, s.ativo, s.webhook_url,"     \
	" s.timeout, s.retry_attempts, s.rate_limit, s.prioridade, s.max_sessions,"    \
	" s.kind, s.sessions_ativas, s.health, s.health_reason, s.version,"            \
	" rfc3339(s.checked_at), rfc3339(s.created_at::timestamptz),"                  \
	" rfc3339(s.updated_at::timestamptz), s.draining_at IS NOT NULL,"              \
	" s.removing_at IS NOT NULL, s.api_key, s.api_key_sealed,"                     \
	" coalesce(nullif(s.webhook_secret, ''), s.webhook_secret_sealed)"             \
	" IS NOT NULL, s.revision"

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
