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

/* In the order of the statement. */
static const char *const names[] = {"free", "assigned", "provisioning", "recycling",
	"retired", "servers up", "servers down", "servers off", "ill", "admins"};
static const char *const members[] = {"free", "assigned", "provisioning", "recycling",
	"retired", "serversUp", "serversDown", "serversOff", "ill", "admin"};

#define COUNTS (sizeof(names) / sizeof(names[0]))

static int
pool_json(const struct config *c, const PGresult *r)
{
	json_t *o = json_pack("{s:i, s:i, s:i}", "target", c->pool_target, "low",
		c->pool_low, "max", c->pool_max);

	for (size_t i = 0; i < COUNTS; i++)
		json_object_set_new(o, members[i], json_integer(db_int(r, 0, (int)i)));
	return print_json(o);
}

static int
pool_table(const struct config *c, const PGresult *r)
{
	for (size_t i = 0; i < COUNTS; i++)
		printf("%-14s %s\n", names[i], db_text(r, 0, (int)i));
	printf("%-14s %d\n", "target", c->pool_target);
	return fflush(stdout) == 0 ? DONE : TROUBLE;
}

static int
pool(int argc, char **argv)
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
	r = db_query(app.db, ctl_deadline(), &stmt_pool, NULL, &e);
	if (r == NULL)
		status = complain_err(&e);
	else
		status = (json ? pool_json : pool_table)(&app.config, r);
	PQclear(r);
	app_close(&app);
	return status;
}

const struct command pool_commands[] = {
	{"pool", "[--json]", "how many instances are free, in use, being made; servers",
		pool},
	{NULL, NULL, NULL, NULL},
};
