/* People who may log in. */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "lib/account.h"
#include "lib/db.h"
#include "lib/password.h"
#include "lib/uuid.h"

static const struct db_stmt stmt_users = {"ctl_users",
	"SELECT u.id, coalesce(u.email, ''), u.role,"
	" CASE WHEN u.disabled_at IS NOT NULL THEN 'disabled'"
	"  WHEN u.password_hash IS NULL THEN 'token' ELSE 'password' END,"
	" (SELECT count(*) FROM instances i WHERE i.assigned_to_user_id = u.id),"
	" rfc3339(u.created_at) FROM users u"
	" WHERE u.id <> platform_user() AND u.id > $1::uuid ORDER BY u.id"
	" LIMIT $2::int",
	2};

enum { ID, EMAIL, ROLE, LOGIN, INSTANCES, SINCE };

#define FIRST "00000000-0000-0000-0000-000000000000"
#define MOST 1000 /* rows, unless --limit says fewer */

static int
users_table(const PGresult *r, int limit)
{
	static const char *const heads[] = {
		"E-MAIL", "ROLE", "LOGIN", "INSTANCES", "SINCE", "ID"};
	struct table t;
	int status;

	table_init(&t, heads, 6);
	for (int i = 0; i < PQntuples(r); i++)
		table_row(&t,
			(const char *[]){db_text(r, i, EMAIL), db_text(r, i, ROLE),
				db_text(r, i, LOGIN), db_text(r, i, INSTANCES),
				db_text(r, i, SINCE), db_text(r, i, ID)});
	status = print_table(&t);
	if (PQntuples(r) == limit)
		printf("\nMore: --cursor %s\n", db_text(r, limit - 1, ID));
	return status;
}

static int
users_json(const PGresult *r, int limit)
{
	json_t *rows = json_array();

	for (int i = 0; i < PQntuples(r); i++)
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "id",
				db_text(r, i, ID), "email", db_text(r, i, EMAIL),
				"role", db_text(r, i, ROLE), "login",
				db_text(r, i, LOGIN), "instances",
				(json_int_t)db_int(r, i, INSTANCES), "createdAt",
				db_text(r, i, SINCE)));
	return print_json(json_pack("{s:o, s:o}", "users", rows, "next",
		PQntuples(r) == limit ? json_string(db_text(r, limit - 1, ID))
				      : json_null()));
}

static int
users(int argc, char **argv)
{
	const char *limit = NULL, *cursor = FIRST;
	char room[DB_PARAM_SIZE];
	struct err e = ERR_INIT;
	int most = MOST, status;
	bool json = false;
	const struct option options[] = {{"limit", NULL, &limit},
		{"cursor", NULL, &cursor}, {"json", &json, NULL}, {NULL, NULL, NULL}};
	struct app app;
	PGresult *r;

	if (!take_options(&argc, argv, options) || argc != 0)
		return USAGE;
	if (limit != NULL && !number_of(limit, 1, MOST, &most))
		return complain(USAGE, "--limit is 1 to %d", MOST);
	if (!uuid_valid(cursor))
		return complain(USAGE, "--cursor is the id of a page's last row");
	if (!ctl_open(&app, APP_DB))
		return TROUBLE;
	r = db_query(app.db, ctl_deadline(), &stmt_users,
		(const char *[]){cursor, db_param_int(room, most)}, &e);
	if (r == NULL)
		status = complain_err(&e);
	else
		status = (json ? users_json : users_table)(r, most);
	PQclear(r);
	app_close(&app);
	return status;
}

/* The password is a line of standard input, typed or not; --password-stdin only says so. */
static int
user_add(int argc, char **argv)
{
	char password[PASSWORD_MAX + 2];
	bool admin = false, from_stdin = false, ok;
	const struct option options[] = {{"admin", &admin, NULL},
		{"password-stdin", &from_stdin, NULL}, {NULL, NULL, NULL}};
	struct err e = ERR_INIT;
	struct app app;
	struct user u;

	if (!take_options(&argc, argv, options) || argc != 1)
		return USAGE;
	if (!read_secret("Password: ", password, sizeof(password)))
		return complain(
			USAGE, "the password is read from standard input, one line");
	if (!ctl_open(&app, APP_DB))
		return TROUBLE;
	ok = account_put(&app, argv[0], password, admin, ctl_deadline(), &u, &e);
	app_close(&app);
	if (!ok)
		return complain_err(&e);
	printf("%s %s %s\n", u.id, u.email, u.admin ? "admin" : "user");
	return DONE;
}

static int
set_enabled(int argc, char **argv, bool enabled)
{
	const struct option options[] = {{NULL, NULL, NULL}};
	struct err e = ERR_INIT;
	struct app app;
	int status = DONE;

	if (!take_options(&argc, argv, options) || argc != 1)
		return USAGE;
	if (!ctl_open(&app, APP_DB))
		return TROUBLE;
	if (!account_enable(&app, argv[0], enabled, ctl_deadline(), &e))
		status = complain_err(&e);
	else
		printf("%s %s\n", argv[0], enabled ? "enabled" : "disabled");
	app_close(&app);
	return status;
}

static int
user_disable(int argc, char **argv)
{
	return set_enabled(argc, argv, false);
}

static int
user_enable(int argc, char **argv)
{
	return set_enabled(argc, argv, true);
}

const struct command user_commands[] = {
	{"users", "[--limit N] [--cursor ID] [--json]",
		"who is known, in the order of their ids", users},
	{"user add", "EMAIL [--admin] --password-stdin",
		"make a user, or give him a new password and role", user_add},
	{"user disable", "EMAIL|ID",
		"shut a user out; tokens he has are refused from now on", user_disable},
	{"user enable", "EMAIL|ID", "let him in again", user_enable},
	{NULL, NULL, NULL, NULL},
};
