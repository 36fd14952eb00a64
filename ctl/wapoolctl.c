/*
 * wapoolctl: the operator's tool. A table of commands, each a short function.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/account.h"
#include "lib/app.h"
#include "lib/db.h"
#include "lib/password.h"
#include "lib/seal.h"

/* Exit statuses, as s6 has them. */
enum { DONE = 0, REFUSED = 1, USAGE = 100, TROUBLE = 111 };

struct command {
	const char *words; /* as typed, "user add" */
	const char *args;
	const char *help;
	int (*run)(int argc, char **argv);
};

static int
complain(int status, const char *text)
{
	fprintf(stderr, "wapoolctl: %s\n", text);
	return status;
}

static int
key_create(int argc, char **argv)
{
	struct err e = ERR_INIT;

	if (argc != 1)
		return complain(USAGE, "key create PATH");
	if (!seal_key_create(argv[0], &e))
		return complain(e.code == ERR_CONFLICT ? REFUSED : TROUBLE, e.text);
	return DONE;
}

/* One line from standard input, without its end. */
static bool
read_line(char *out, size_t size)
{
	if (fgets(out, (int)size, stdin) == NULL)
		return false;
	out[strcspn(out, "\r\n")] = '\0';
	return true;
}

static int
user_add(int argc, char **argv)
{
	char password[PASSWORD_MAX + 2];
	struct err e = ERR_INIT;
	const char *email = NULL;
	struct app app;
	struct user u;
	bool admin = false, ok;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--admin") == 0)
			admin = true;
		else if (strcmp(argv[i], "--password-stdin") != 0)
			email = argv[i];
	}
	if (email == NULL)
		return complain(USAGE, "user add EMAIL [--admin] --password-stdin");
	if (isatty(STDIN_FILENO))
		fputs("Password (one line): ", stderr);
	if (!read_line(password, sizeof(password)))
		return complain(
			USAGE, "the password is read from standard input, one line");
	if (!app_open(&app, "wapoolctl", APP_DB, &e))
		return complain(TROUBLE, e.text);
	ok = account_put(&app, email, password, admin, deadline_in(10000), &u, &e);
	app_close(&app);
	if (!ok)
		return complain(e.code == ERR_INPUT ? REFUSED : TROUBLE, e.text);
	printf("%s %s %s\n", u.id, u.email, u.admin ? "admin" : "user");
	return DONE;
}

static int
pool_show(int argc, char **argv)
{
	static const struct db_stmt stmt = {"ctl_pool",
		"SELECT free, assigned, provisioning, recycling, retired FROM "
		"pool_status",
		0};
	static const char *const names[] = {
		"free", "assigned", "provisioning", "recycling", "retired"};
	struct err e = ERR_INIT;
	struct app app;
	PGresult *r;

	(void)argv;
	if (argc != 0)
		return complain(USAGE, "pool");
	if (!app_open(&app, "wapoolctl", APP_DB, &e))
		return complain(TROUBLE, e.text);
	r = db_query(app.db, deadline_in(10000), &stmt, NULL, &e);
	for (int i = 0; r != NULL && i < 5; i++)
		printf("%-14s %s\n", names[i], db_text(r, 0, i));
	PQclear(r);
	app_close(&app);
	return r != NULL ? DONE : complain(TROUBLE, e.text);
}

static int
config_show(int argc, char **argv)
{
	struct config_help row;

	(void)argv;
	if (argc != 0)
		return complain(USAGE, "config");
	for (size_t i = 0; config_help(i, &row); i++)
		printf("%s%s%s  [%s]\n    %s\n", row.name,
			row.alias != NULL ? ", or " : "",
			row.alias != NULL ? row.alias : "", row.fallback, row.help);
	return DONE;
}

static const struct command commands[] = {
	{"config", "", "every setting, its default and what it does", config_show},
	{"key create", "PATH", "make a key file for SECRET_KEY_FILE", key_create},
	{"pool", "", "how many instances are free, in use, being made", pool_show},
	{"user add", "EMAIL [--admin] --password-stdin",
		"make a user, or give him a new password and role", user_add},
};

static int
usage(FILE *to)
{
	fputs("usage: wapoolctl COMMAND\n\n", to);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(to, "  %s %s\n      %s\n", commands[i].words, commands[i].args,
			commands[i].help);
	fputs("\nSettings come from the environment. Exit status: 0 done, 1 refused,\n"
	      "100 wrong usage, 111 something did not answer.\n",
		to);
	return to == stdout ? DONE : USAGE;
}

/* The number of argv's words that are the command's name, 0 if it is another one. */
static int
match(const struct command *c, int argc, char **argv)
{
	const char *gap = strchr(c->words, ' ');

	if (gap == NULL)
		return argc > 0 && strcmp(argv[0], c->words) == 0;
	return argc > 1 && strncmp(argv[0], c->words, (size_t)(gap - c->words)) == 0 &&
			argv[0][gap - c->words] == '\0' && strcmp(argv[1], gap + 1) == 0
		? 2
		: 0;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return usage(stdout);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		int n = match(&commands[i], argc - 1, argv + 1);

		if (n > 0)
			return commands[i].run(argc - 1 - n, argv + 1 + n);
	}
	return usage(stderr);
}
