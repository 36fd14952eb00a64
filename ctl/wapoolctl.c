/*
 * wapoolctl: the operator's tool. Tables of commands, each a short function in the file of its noun.
 */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "lib/version.h"

static const struct command *const tables[] = {instance_commands, repair_commands,
	pool_commands, quiesce_commands, server_commands, user_commands, key_commands,
	rotation_commands};

#define TABLES (sizeof(tables) / sizeof(tables[0]))

static void
describe(const struct command *c, FILE *to)
{
	fprintf(to, "  %s%s%s\n      %s\n", c->words, *c->args != '\0' ? " " : "",
		c->args, c->help);
}

static int
usage(FILE *to)
{
	fputs("usage: wapoolctl COMMAND\n\n", to);
	for (size_t i = 0; i < TABLES; i++)
		for (const struct command *c = tables[i]; c->words != NULL; c++)
			describe(c, to);
	fputs("\nEach command takes --help. Settings come from the environment.\n"
	      "Exit status: 0 done, 1 refused, 2 done and the answer is no, 100 wrong "
	      "usage,\n"
	      "111 something did not answer.\n",
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

static int
run(const struct command *c, int argc, char **argv)
{
	int status;

	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0) {
			fputs("usage: wapoolctl COMMAND\n\n", stdout);
			describe(c, stdout);
			return DONE;
		}
	status = c->run(argc, argv);
	if (status == USAGE)
		fprintf(stderr, "usage: wapoolctl %s %s\n", c->words, c->args);
	return status;
}

int
main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return usage(stdout);
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("wapoolctl %s\n", wapool_version);
		return DONE;
	}
	for (size_t i = 0; i < TABLES; i++)
		for (const struct command *c = tables[i]; c->words != NULL; c++) {
			int n = match(c, argc - 1, argv + 1);

			if (n > 0)
				return run(c, argc - 1 - n, argv + 1 + n);
		}
	return usage(stderr);
}
