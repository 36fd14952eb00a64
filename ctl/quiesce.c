/* Maintenance: all sessions stopped, and brought back. */
#include <stdio.h>
#include <time.h>

#include "ctl/ctl.h"
#include "lib/quiesce.h"

/* Stops what runs, telling of each. An exit status: NOT_WELL if some could not be stopped. */
static int
stop_all(struct app *app)
{
	struct quiesce_walk walk = {.since_ms = (int64_t)time(NULL) * 1000 + 999};
	int stopped = 0, failed = 0;
	char name[256];

	for (;;) {
		struct err e = ERR_INIT;
		enum quiesce_step step =
			quiesce_one(app, &walk, name, ctl_deadline(), &e);

		if (step == QUIESCE_NOTHING_LEFT && err_isset(&e))
			return complain_err(&e);
		if (step == QUIESCE_NOTHING_LEFT)
			break;
		if (step == QUIESCE_STOPPED)
			printf("%s  stopped (%d)\n", name, ++stopped);
		else
			fprintf(stderr, "%s  could not be stopped: %s\n", name, e.text);
		failed += step == QUIESCE_FAILED;
		fflush(stdout);
	}
	printf("%d stopped, %d could not be. `wapoolctl resume` brings them back.\n",
		stopped, failed);
	return failed > 0 ? NOT_WELL : DONE;
}

static int
quiesce(int argc, char **argv)
{
	bool yes = false;
	const struct option options[] = {{"yes", &yes, NULL}, {NULL, NULL, NULL}};
	struct err e = ERR_INIT;
	struct app app;
	int status;

	if (!take_options(&argc, argv, options) || argc != 0)
		return USAGE;
	if (!confirmed(yes, "Stop every connected WhatsApp until `wapoolctl resume`?"))
		return REFUSED;
	if (!ctl_open(&app, APP_DB | APP_SEAL | APP_HTTP))
		return TROUBLE;
	status = quiesce_begin(&app, ctl_deadline(), &e) ? stop_all(&app)
							 : complain_err(&e);
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
	{"quiesce", "[--yes]",
		"stop every session before maintenance; none is claimed or mended",
		quiesce},
	{"resume", "", "the end of it: what was connected is started again", resume},
	{NULL, NULL, NULL, NULL},
};
