/* The gateway servers. */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "lib/db.h"

static const struct db_stmt stmt_servers = {"ctl_servers",
	"SELECT s.id, s.nome, s.kind, s.ativo, s.health, coalesce(s.health_reason, ''),"
	" s.prioridade, s.sessions_ativas, s.max_sessions, coalesce(s.version, ''),"
	" coalesce(u.email, s.user_id::text, ''), s.api_url"
	" FROM waha_servers s LEFT JOIN users u ON u.id = s.user_id"
	" ORDER BY (s.user_id IS NOT NULL), s.prioridade DESC, s.nome, s.id",
	0};

enum {
	ID,
	NAME,
	KIND,
	ACTIVE,
	HEALTH,
	REASON,
	PRIORITY,
	SESSIONS,
	MOST,
	VERSION,
	OWNER,
	URL
};

static int
servers_table(const PGresult *r)
{
	static const char *const heads[] = {"NAME", "KIND", "HEALTH", "PRIORITY",
		"SESSIONS", "VERSION", "OWNER", "ID", "WHY"};
	struct table t;

	table_init(&t, heads, 9);
	for (int i = 0; i < PQntuples(r); i++) {
		char sessions[64];

		snprintf(sessions, sizeof(sessions), "%s/%s", db_text(r, i, SESSIONS),
			db_text(r, i, MOST));
		table_row(&t,
			(const char *[]){db_text(r, i, NAME), db_text(r, i, KIND),
				db_bool(r, i, ACTIVE) ? db_text(r, i, HEALTH) : "off",
				db_text(r, i, PRIORITY), sessions,
				db_text(r, i, VERSION), db_text(r, i, OWNER),
				db_text(r, i, ID), db_text(r, i, REASON)});
	}
	return print_table(&t);
}

static int
servers_json(const PGresult *r)
{
	json_t *rows = json_array();

	for (int i = 0; i < PQntuples(r); i++)
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:I, s:I, s:I, "
				  "s:s, s:s}",
				"id", db_text(r, i, ID), "nome", db_text(r, i, NAME),
				"kind", db_text(r, i, KIND), "url", db_text(r, i, URL),
				"ativo", db_bool(r, i, ACTIVE), "health",
				db_text(r, i, HEALTH), "reason", db_text(r, i, REASON),
				"prioridade", (json_int_t)db_int(r, i, PRIORITY),
				"sessions", (json_int_t)db_int(r, i, SESSIONS),
				"maxSessions", (json_int_t)db_int(r, i, MOST),
				"version", db_text(r, i, VERSION), "owner",
				db_text(r, i, OWNER)));
	return print_json(json_pack("{s:o}", "servers", rows));
}

static int
servers(int argc, char **argv)
{
	struct err e = ERR_INIT;
	bool json = false;
	const struct option options[] = {{"json", &json, NULL}, {NULL, NULL, NULL}};
	struct app app;
	PGresult *r;
	int status;

	if (!take_options(&argc, argv, options) || argc != 0)
		return USAGE;
	if (!ctl_open(&app, APP_DB))
		return TROUBLE;
	r = db_query(app.db, ctl_deadline(), &stmt_servers, NULL, &e);
	if (r == NULL)
		status = complain_err(&e);
	else
		status = (json ? servers_json : servers_table)(r);
	PQclear(r);
	app_close(&app);
	return status;
}

const struct command server_commands[] = {
	{"servers", "[--json]", "the gateway servers, their health and load", servers},
	{NULL, NULL, NULL, NULL},
};
