#include "ctl/ctl.h"

#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEADLINE_MS 60000

int
complain(int status, const char *fmt, ...)
{
	va_list ap;

	fputs("wapoolctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

int
complain_err(const struct err *e)
{
	bool refused = e->sqlstate[0] == '\0' &&
		(e->code == ERR_INPUT || e->code == ERR_NOT_FOUND ||
			e->code == ERR_CONFLICT);

	return complain(refused ? REFUSED : TROUBLE, "%s", e->text);
}

static const struct option *
option_of(const struct option *options, const char *word)
{
	for (; options->name != NULL; options++)
		if (strcmp(options->name, word) == 0)
			return options;
	return NULL;
}

bool
take_options(int *argc, char **argv, const struct option *options)
{
	int kept = 0, i;

	for (i = 0; i < *argc && strcmp(argv[i], "--") != 0; i++) {
		const struct option *o;

		if (strncmp(argv[i], "--", 2) != 0) {
			argv[kept++] = argv[i];
			continue;
		}
		o = option_of(options, argv[i] + 2);
		if (o == NULL) {
			complain(USAGE, "there is no option %s here", argv[i]);
			return false;
		}
		if (o->value == NULL) {
			*o->flag = true;
			continue;
		}
		if (++i == *argc) {
			complain(USAGE, "--%s wants a value", o->name);
			return false;
		}
		*o->value = argv[i];
	}
	for (i++; i < *argc; i++)
		argv[kept++] = argv[i];
	*argc = kept;
	return true;
}

bool
number_of(const char *text, int from, int to, int *out)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end != '\0' || n < from || n > to)
		return false;
	*out = (int)n;
	return true;
}

/* Who typed this: behind sudo the one who called it. */
static void
name_program(char out[60])
{
	const char *who = getenv("SUDO_USER");
	const struct passwd *p = NULL;

	if (who == NULL || *who == '\0') {
		p = getpwuid(getuid());
		who = p != NULL ? p->pw_name : NULL;
	}
	if (who == NULL ||
		strspn(who,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			"0123456789._@-") != strlen(who))
		snprintf(out, 60, "wapoolctl");
	else
		snprintf(out, 60, "wapoolctl (%.40s)", who);
}

bool
ctl_open(struct app *app, unsigned needs)
{
	static char program[60]; /* the log keeps it */
	struct err e = ERR_INIT;

	name_program(program);
	if (app_open(app, program, needs, &e))
		return true;
	complain(TROUBLE, "%s", e.text);
	return false;
}

deadline_t
ctl_deadline(void)
{
	return deadline_in(DEADLINE_MS);
}

bool
confirmed(bool yes, const char *question)
{
	char answer[16];

	if (yes)
		return true;
	if (!isatty(STDIN_FILENO)) {
		complain(REFUSED, "%s Say --yes.", question);
		return false;
	}
	fprintf(stderr, "%s Type yes: ", question);
	if (fgets(answer, sizeof(answer), stdin) != NULL &&
		strcmp(answer, "yes\n") == 0)
		return true;
	complain(REFUSED, "nothing was done");
	return false;
}

static int
flushed(bool ok)
{
	if (fflush(stdout) == 0 && ok)
		return DONE;
	return complain(TROUBLE, "the output cannot be written");
}

int
print_json(json_t *taken)
{
	bool ok = taken != NULL &&
		json_dumpf(taken, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY) == 0;

	json_decref(taken);
	putchar('\n');
	return flushed(ok);
}

int
print_table(struct table *t)
{
	struct buf out;
	bool ok;

	buf_init(&out, 64u << 20);
	ok = table_render(t, &out);
	fputs(buf_str(&out), stdout);
	buf_free(&out);
	table_free(t);
	return flushed(ok);
}
