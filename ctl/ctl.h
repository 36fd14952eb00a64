/*
 * ctl: what the commands of wapoolctl share. A command is a row of a table; its function gets
 * the words behind its name. One thread.
 */
#ifndef WAPOOL_CTL_H
#define WAPOOL_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/app.h"
#include "lib/clock.h"
#include "lib/table.h"

/* Exit statuses: as s6 has them, and one for "no" as an answer. */
enum { DONE = 0, REFUSED = 1, NOT_WELL = 2, USAGE = 100, TROUBLE = 111 };

struct command {
	const char *words; /* as typed, "user add" */
	const char *args;
	const char *help;
	int (*run)(int argc, char **argv); /* exit status; USAGE: main shows args */
};

/* The tables of the files in ctl/, each ended by a row without words. */
extern const struct command key_commands[], instance_commands[], repair_commands[],
	pool_commands[], quiesce_commands[], rotation_commands[], server_commands[],
	user_commands[];

/* Says what is wrong, on standard error. Returns status. */
int complain(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The same for an error of lib: REFUSED if it is about what was asked for, else TROUBLE. */
int complain_err(const struct err *e);

/* An option: --name, or --name VALUE if value is not NULL. */
struct option {
	const char *name;
	bool *flag;
	const char **value;
};

/* Takes the options out of argv, wherever they stand; what is left are operands. "--" ends options.
 * The list ends with a row without a name. False, having said why: an unknown one, or no
 * value. */
bool take_options(int *argc, char **argv, const struct option *options);

/* A whole number of that range; false if it is none. */
bool number_of(const char *text, int from, int to, int *out);

/* Opens the program; false, having said why. The trail of what it does names the person. */
bool ctl_open(struct app *app, unsigned needs);

/* Until when the database, and the gateway, may take. */
deadline_t ctl_deadline(void);

/* Asks on a terminal; true at once with yes. Without a terminal only yes will do. */
bool confirmed(bool yes, const char *question);

/* Reads a line: from a terminal after the prompt, without showing what is typed. Without its line
 * end; what is longer than size stays unread. False if there is none. */
bool read_secret(const char *prompt, char *out, size_t size);

/* Prints one JSON document, and takes its reference. An exit status. */
int print_json(json_t *taken);

/* Prints and frees the table. An exit status. */
int print_table(struct table *t);

#endif
