/* Maintenance: all sessions stopped, and brought back. */
#include <stdio.h>

#include "ctl/ctl.h"
#include "lib/quiesce.h"

#define WAIT_S 120 /* longer than the lease of a helper that died */
#define WAIT_MOST_S 86400
#define LOOK_MS 500

struct tally {
	int stopped, failed; /* failed: of the last walk, which tries them all again */
	struct quiesce_left left;
};

/* One walk: stops what runs, telling of each. False on an error of the database. */
static bool
walk_all(struct app *app, struct tally *t, struct err *e)
{
	struct quiesce_walk walk;
	char name[256];

	t->failed = 0;
	if (!quiesce_begin(app, &walk, ctl_deadline(), e))
		return false;
	for (;;) {
		struct err why = ERR_INIT;
		enum quiesce_step step =
			quiesce_one(app, &walk, name, ctl_deadline(), &why);

		if (step == QUIESCE_NOTHING_LEFT) {
			err_pass(e, &why);
			return !err_isset(&why);
		}
		if (step == QUIESCE_STOPPED)
			printf("%s  stopped (%d)\n", name, ++t->stopped);
		else
			fprintf(stderr, "%s  could not be stopped: %s\n", name,
				why.text);
		t->failed += step == QUIESCE_FAILED;
		fflush(stdout);
	}
}

/* Walks until nothing runs but what cannot be stopped. What helpers have in hand is waited
 * for, and stopped if they have started it. */
static bool
stop_all(struct app *app, int wait_s, struct tally *t, struct err *e)
{
	deadline_t until;

	if (!walk_all(app, t, e))
		return false;
	until = deadline_in((int64_t)wait_s * 1000);
	for (;;) {
		do {
			if (!quiesce_look(app, ctl_deadline(), &t->left, e))
				return false;
		} while (t->left.held > 0 && clock_sleep(LOOK_MS, until));
		if (t->left.running <= t->failed || !clock_sleep(LOOK_MS, until))
			return true;
		if (!walk_all(app, t, e))
			return false;
	}
}

/* An exit status: NOT_WELL if some may run still. */
static int
tell(const struct tally *t)
{
	int64_t late = t->left.running - t->failed;

	if (late < 0) /* what could not be stopped has stopped by itself */
		late = 0;
	printf("%d stopped, %d could not be. `wapoolctl resume` brings them back.\n",
		t->stopped, t->failed);
	fflush(stdout);
	if (t->left.held + late > 0)
		return complain(NOT_WELL,
			"%lld more may run: a helper had them in hand; run it again",
			(long long)(t->left.held + late));
	return t->failed > 0 ? NOT_WELL : DONE;
}

static int
quiesce(int argc, char **argv)
{
	const char *wait = NULL;
	bool yes = false;
	const struct option options[] = {
		{"yes", &yes, NULL}, {"wait", NULL, &wait}, {NULL, NULL, NULL}};
	struct err e = ERR_INIT;
	struct tally t = {0};
	int status, wait_s = WAIT_S;
	struct app app;

	if (!take_options(&argc, argv, options) || argc != 0)
		return USAGE;
	if (wait != NULL && !number_of(wait, 0, WAIT_MOST_S, &wait_s))
		return complain(USAGE, "--wait is 0 to %d seconds", WAIT_MOST_S);
	if (!confirmed(yes, "Stop every connected WhatsApp until `wapoolctl resume`?"))
		return REFUSED;
	if (!ctl_open(&app, APP_DB | APP_SEAL | APP_HTTP))
		return TROUBLE;
	status = stop_all(&app, wait_s, &t, &e) ? tell(&t) : complain_err(&e);
	app_close(&app);
	return status;
}

static int
resume(int argc, char **argv)
{
	const struct option options[] = {{NULL, NULL, NULL}};
	struct err e = ERR_INIT;
	struct app app;
	int status = DONE, n = 0;

	if (!take_options(&argc, argv, options) || argc != 0)
		return USAGE;
	if (!ctl_open(&app, APP_DB))
		return TROUBLE;
	if (quiesce_end(&app, ctl_deadline(), &n, &e))
		printf("%d are being started by wapool-maintain.\n", n);
	else
		status = complain_err(&e);
	app_close(&app);
	return status;
}

const struct command quiesce_commands[] = {
	{"quiesce", "[--wait S] [--yes]",
		"stop every session before maintenance; none is claimed or mended",
		quiesce},
	{"resume", "", "the end of it: what was connected is started again", resume},
	{NULL, NULL, NULL, NULL},
};
