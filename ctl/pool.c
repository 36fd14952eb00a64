/* The pool at a glance. */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "lib/db.h"

static const struct db_stmt stmt_pool = {"ctl_pool",
	"SELECT free, assigned, provisioning, recycling, retired,"
	" (SELECT count(*) FROM waha_servers WHERE ativo AND health <> 'down'),"
	" (SELECT count(*) FROM waha_servers WHERE ativo AND health = 'down'),"
	" (SELECT count(*) FROM waha_servers WHERE NOT ativo),"
	" (SELECT count(*) FROM instances WHERE lifecycle = 'assigned'"
	"  AND health NOT IN ('healthy', 'disconnected')),"
	" (SELECT count(*) FROM instances WHERE origin = 'admin'"
	"  AND lifecycle <> 'retired')"
	" FROM pool_status",
	0};

static const struct db_stmt stmt_alarms = {"ctl_alarms",
	"SELECT a.kind, coalesce(s.nome, ''),"
	" rfc3339(a.since), a.reason, coalesce(u.email, s.user_id::text, '')"
	" FROM alarms a LEFT JOIN waha_servers s ON s.id = a.server_id"
	" LEFT JOIN users u ON u.id = s.user_id"
	" ORDER BY s.user_id IS NOT NULL, a.since",
	0};

/* In the order of the statement. */
static const char *const names[] = {"free", "assigned", "provisioning", "recycling",
	"retired", "servers up", "servers down", "servers off", "ill", "admins"};
static const char *const members[] = {"free", "assigned", "provisioning", "recycling",
	"retired", "serversUp", "serversDown", "serversOff", "ill", "admin"};

#define COUNTS (sizeof(names) / sizeof(names[0]))

static json_t *
alarms_json(const PGresult *r)
{
	json_t *rows = json_array();

	for (int i = 0; i < PQntuples(r); i++)
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:s, s:s, s:s}", "kind", db_text(r, i, 0),
				"server", db_text(r, i, 1), "since", db_text(r, i, 2),
				"reason", db_text(r, i, 3), "owner", db_text(r, i, 4)));
	return rows;
}

static int
pool_json(const struct config *c, const PGresult *r, const PGresult *alarms)
{
	json_t *o = json_pack("{s:i, s:i, s:i}", "target", c->pool_target, "low",
		c->pool_low, "max", c->pool_max);

	for (size_t i = 0; i < COUNTS; i++)
		json_object_set_new(o, members[i], json_integer(db_int(r, 0, (int)i)));
	json_object_set_new(o, "alarms", alarms_json(alarms));
	return print_json(o);
}

static int
alarms_table(const PGresult *r)
{
	struct table t;

	table_init(&t,
		(const char *const[]){"ALARM", "SERVER", "OWNER", "SINCE", "WHY"}, 5);
	for (int i = 0; i < PQntuples(r); i++)
		table_row(&t,
			(const char *[]){db_text(r, i, 0), db_text(r, i, 1),
				db_text(r, i, 4), db_text(r, i, 2), db_text(r, i, 3)});
	putchar('\n');
	return print_table(&t);
}

static int
pool_table(const struct config *c, const PGresult *r, const PGresult *alarms)
{
	for (size_t i = 0; i < COUNTS; i++)
		printf("%-14s %s\n", names[i], db_text(r, 0, (int)i));
	printf("%-14s %d\n", "target", c->pool_target);
	if (PQntuples(alarms) > 0)
		return alarms_table(alarms);
	return fflush(stdout) == 0 ? DONE : TROUBLE;
}

static int
pool(int argc, char **argv)
{
	struct err e = ERR_INIT;
	bool json = false;
	const struct option options[] = {{"json", &json, NULL}, {NULL, NULL, NULL}};
	struct app app;
	PGresult *r, *alarms = NULL;
	int status;

	if (!take_options(&argc, argv, options) || argc != 0)
		return USAGE;
	if (!ctl_open(&app, APP_DB))
		return TROUBLE;
	r = db_query(app.db, ctl_deadline(), &stmt_pool, NULL, &e);
	if (r != NULL)
		alarms = db_query(app.db, ctl_deadline(), &stmt_alarms, NULL, &e);
	if (alarms == NULL)
		status = complain_err(&e);
	else
		status = (json ? pool_json : pool_table)(&app.config, r, alarms);
	PQclear(alarms);
	PQclear(r);
	app_close(&app);
	return status;
}

const struct command pool_commands[] = {
	{"pool", "[--json]", "how many instances are free, in use, being made; servers",
		pool},
	{NULL, NULL, NULL, NULL},
};
