/* The key file and the settings. */
#include <stdio.h>

#include "ctl/ctl.h"
#include "lib/seal.h"

static int
key_create(int argc, char **argv)
{
	struct err e = ERR_INIT;

	if (argc != 1)
		return USAGE;
	if (!seal_key_create(argv[0], &e))
		return complain(
			e.code == ERR_CONFLICT ? REFUSED : TROUBLE, "%s", e.text);
	return DONE;
}

static int
config_show(int argc, char **argv)
{
	struct config_help row;

	(void)argv;
	if (argc != 0)
		return USAGE;
	for (size_t i = 0; config_help(i, &row); i++)
		printf("%s%s%s  [%s]\n    %s\n", row.name,
			row.alias != NULL ? ", or " : "",
			row.alias != NULL ? row.alias : "", row.fallback, row.help);
	return DONE;
}

const struct command key_commands[] = {
	{"config", "", "every setting, its default and what it does", config_show},
	{"key create", "PATH", "make a key file for SECRET_KEY_FILE", key_create},
	{NULL, NULL, NULL, NULL},
};
