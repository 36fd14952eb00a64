/*
 * wapool-maintain [--for SECONDS] [TASK...]: the helper that cron runs every minute.
 *
 * Without --for it does each task until nothing of it is due, and ends. With it, it
 * goes on listening for wake-ups (and looking once a second, in case one got lost)
 * until the time is over, so that things happen within a second and not within a
 * minute. Any number may run at once.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/app.h"
#include "lib/db.h"
#include "lib/deliver.h"
#include "lib/history.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/registry.h"
#include "lib/server.h"
#include "lib/upkeep.h"
#include "lib/version.h"
#include "maintain/crew.h"

#define TICK_MS 1000    /* between two looks for work, when nobody calls */
#define TOP_UP_MS 60000 /* between two checks that the pool is at its target */
#define PRUNE_MS 3000   /* at a time, so that a refill does not wait for it */
#define PRUNE_ONCE_MS 300000
#define PRUNE_EVERY_MS 20000
#define QUOTAS_EVERY_MS 5000
#define MAX_SECONDS 86400
#define JOBS_MAX 5
#define SAMPLE_EVERY_MS 5000 /* asking whether this minute has its sample */
#define TELL_EVERY_MS 10000  /* that tasks went well, to the database */

static volatile sig_atomic_t stop_asked;

enum {
	SEAL = 1,
	REFILL = 2,
	RECYCLE = 4,
	RECONCILE = 8,
	PRUNE = 16,
	HEALTH = 32,
	DELIVER = 64,
	RESET_HOURLY = 128,
	RESET_DAILY = 256,
	SAMPLE = 512,
	ALL = 1023
};

static const struct task {
	const char *name;
	unsigned bit;
	const char *help;
} tasks[] = {
	{"seal", SEAL,
		"seal keys written in clear; make the platform's servers from WAHA_URL "
		"and EVOLUTION_API_URL"},
	{"refill", REFILL, "order instances when few are free"},
	{"recycle", RECYCLE, "make what was ordered, empty what was released"},
	{"health", HEALTH, "look at each gateway, mend the sessions that are ill"},
	{"reconcile", RECONCILE, "compare each gateway's sessions with the database"},
	{"deliver", DELIVER, "send events to the webhooks that subscribed to them"},
	{"reset-hourly", RESET_HOURLY,
		"empty the message counters of hours that are over"},
	{"reset-daily", RESET_DAILY, "the same of days"},
	{"sample", SAMPLE,
		"write down how the pool and its servers are, once a minute"},
	{"prune", PRUNE,
		"delete what is past its retention, end live streams whose token has "
		"ended"},
};

struct helper {
	struct app app;
	unsigned asked; /* bits of the tasks to do */
	int seconds;    /* 0: once */
	work_fn *jobs[JOBS_MAX + 1];
	struct crew *crew;
	struct crew *own;  /* the same at users' own servers */
	struct crew *post; /* the threads that deliver: a slow subscriber keeps no
			      instance waiting */
	deadline_t top_up_at, unpaired_at, seal_at, prune_at, quotas_at, tell_at,
		sample_at;
	unsigned went_well; /* bits of the tasks, since that was last told */
};

static void
on_signal(int sig)
{
	(void)sig;
	stop_asked = 1;
}

static void
catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void
tell(const char *task, bool ok, int n, const struct err *e)
{
	if (!ok)
		log_write(LOG_WARN, "task.failed", LOG_STR("task", task),
			LOG_STR("error", e->text));
	else if (n > 0)
		log_write(LOG_INFO, "task.done", LOG_STR("task", task),
			LOG_INT("count", n));
}

/* For one statement. */
static deadline_t
soon(const struct helper *h)
{
	return deadline_in(h->app.config.db_timeout_ms);
}

static void
seal_keys(struct helper *h)
{
	struct err e = ERR_INIT;
	size_t n = 0;
	int gone = 0;
	bool ok = upkeep_settings(&h->app, soon(h), &e) &&
		server_ensure_platform(&h->app, soon(h), &e) &&
		servers_seal(&h->app, &n, soon(h), &e) &&
		registry_sweep(&h->app, &gone, soon(h), &e);

	tell("seal", ok, (int)n, &e);
	h->went_well |= ok ? SEAL : 0;
	h->seal_at = deadline_in(ok ? 10000 : TICK_MS);
}

/* Orders more when few are free, at once; tops up to the target once a minute. */
static void
refill(struct helper *h)
{
	bool top_up = deadline_left(h->top_up_at) == 0;
	struct err e = ERR_INIT;
	int n = 0;
	bool ok = upkeep_refill(&h->app, top_up, soon(h), &n, &e);

	tell("refill", ok, n, &e);
	h->went_well |= ok ? REFILL : 0;
	if (ok && top_up && n < UPKEEP_REFILL_MAX)
		h->top_up_at = deadline_in(TOP_UP_MS);
}

static void
release_unpaired(struct helper *h)
{
	struct err e = ERR_INIT;
	int n = 0;
	bool ok = upkeep_unpaired(&h->app, soon(h), &n, &e);

	tell("unpaired", ok, n, &e);
	h->unpaired_at = deadline_in(n > 0 ? 0 : 5000);
}

static void
prune(struct helper *h)
{
	struct err e = ERR_INIT;
	int n = 0;
	int64_t most = h->seconds > 0 ? PRUNE_MS : PRUNE_ONCE_MS;
	bool ok = upkeep_prune(&h->app, deadline_in(most), &n, &e);

	tell("prune", ok, n, &e);
	h->went_well |= ok ? PRUNE : 0;
	h->prune_at = deadline_in(PRUNE_EVERY_MS);
}

static void
end_streams(struct helper *h)
{
	struct err e = ERR_INIT;
	int n = 0;
	bool ok = upkeep_streams(&h->app, soon(h), &n, &e);

	tell("streams", ok, n, &e);
}

/* Running on, the helper has the database find out once an hour; asked for by itself, it does so now. */
static void
reset_quotas(struct helper *h)
{
	unsigned both = h->asked & (RESET_HOURLY | RESET_DAILY);
	struct err e = ERR_INIT;
	int n = 0;
	bool ok = upkeep_messages(&h->app, soon(h), &n, &e);

	for (int day = 0; h->seconds == 0 && day < 2 && ok; day++)
		if (both & (day ? RESET_DAILY : RESET_HOURLY))
			ok = upkeep_reset(&h->app, day, soon(h), &n, &e);
	tell("reset", ok, n, &e);
	h->went_well |= ok ? both : 0;
	h->quotas_at = deadline_in(QUOTAS_EVERY_MS);
}

static void
sample(struct helper *h)
{
	struct err e = ERR_INIT;
	bool taken, ok = history_sample(&h->app, soon(h), &taken, &e);

	tell("sample", ok, 0, &e);
	h->went_well |= ok ? SAMPLE : 0;
	h->sample_at = deadline_in(SAMPLE_EVERY_MS);
}

static bool
wake_crew(struct helper *h, struct crew *crew)
{
	struct err e = ERR_INIT;
	int due = upkeep_due(&h->app, crew_side(crew), soon(h), &e);

	if (due > 0)
		crew_wake(crew, due);
	else if (due < 0)
		tell("due", false, 0, &e);
	return due >= 0;
}

static void
wake_crews(struct helper *h)
{
	bool ok = wake_crew(h, h->crew);

	if (wake_crew(h, h->own) && ok)
		h->went_well |= h->asked & (RECYCLE | HEALTH | RECONCILE);
}

/* Writes down which tasks went well since the last time, for whoever watches us. */
static void
tell_went_well(struct helper *h)
{
	const char *names[sizeof(tasks) / sizeof(tasks[0])];
	struct err e = ERR_INIT;
	size_t n = 0;

	for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++)
		if (h->went_well & tasks[i].bit)
			names[n++] = tasks[i].name;
	tell("tell", metrics_helper_ran(&h->app, names, n, soon(h), &e), 0, &e);
	h->went_well = 0;
	h->tell_at = deadline_in(TELL_EVERY_MS);
}

static void
wake_post(struct helper *h)
{
	struct err e = ERR_INIT;
	int due = deliver_due(&h->app, h->app.config.deliver_parallel, soon(h), &e);

	if (due > 0)
		crew_wake(h->post, due);
	else if (due < 0)
		tell("deliver", false, 0, &e);
	h->went_well |= due >= 0 ? DELIVER : 0;
}

/* One round of all that takes one statement; wakes threads for what takes longer. */
static void
round_once(struct helper *h)
{
	if ((h->asked & SEAL) && deadline_left(h->seal_at) == 0)
		seal_keys(h);
	if (h->asked & REFILL)
		refill(h);
	if ((h->asked & RECYCLE) && deadline_left(h->unpaired_at) == 0)
		release_unpaired(h);
	if (h->crew != NULL)
		wake_crews(h);
	if (h->post != NULL)
		wake_post(h);
	if ((h->asked & SAMPLE) && deadline_left(h->sample_at) == 0)
		sample(h);
	if (h->asked & PRUNE)
		end_streams(h);
	if ((h->asked & PRUNE) && deadline_left(h->prune_at) == 0)
		prune(h);
	if ((h->asked & (RESET_HOURLY | RESET_DAILY)) &&
		deadline_left(h->quotas_at) == 0)
		reset_quotas(h);
	if (deadline_left(h->tell_at) == 0)
		tell_went_well(h);
}

/* Waits for a wake-up or the next tick. A lost connection is made again at the next
 * tick; where there is only one (DB_POOL=1), the statements need it more. */
static void
wait_for_call(struct helper *h, struct db_conn **listener, deadline_t until)
{
	deadline_t tick = deadline_min(deadline_in(TICK_MS), until);

	if (*listener != NULL && !db_alive(*listener)) {
		db_put(h->app.db, *listener);
		*listener = NULL;
	}
	if (*listener == NULL && h->app.config.db_pool > 1)
		*listener = db_get(h->app.db, soon(h), NULL);
	if (*listener == NULL)
		clock_sleep(TICK_MS, tick);
	else
		db_wait(*listener, tick);
}

static void
run_for(struct helper *h)
{
	deadline_t until = deadline_in((int64_t)h->seconds * 1000);
	struct db_conn *listener = NULL;

	while (!stop_asked && deadline_left(until) > 0) {
		round_once(h);
		wait_for_call(h, &listener, until);
	}
	db_put(h->app.db, listener);
}

/* Until nobody is at work any more, within reason: a thread only rests when a
 * whole round of its jobs found nothing due. What other tasks would have to do is
 * not waited for. */
static void
run_once(struct helper *h)
{
	deadline_t until = deadline_in(300000);

	do {
		round_once(h);
		clock_sleep(50, until);
	} while (!stop_asked && deadline_left(until) > 0 &&
		((h->crew != NULL && crew_busy(h->crew) + crew_busy(h->own) > 0) ||
			(h->post != NULL && crew_busy(h->post) > 0)));
}

/* What the threads do, by the tasks asked for: into jobs, which ends with NULL. False if there
 * is nothing for them. */
static bool
choose_jobs(unsigned asked, work_fn **jobs)
{
	size_t n = 0;

	if (asked & RECYCLE) {
		jobs[n++] = work_make;
		jobs[n++] = work_lost;
		jobs[n++] = work_watch;
	}
	if (asked & HEALTH)
		jobs[n++] = work_mend;
	if (asked & (HEALTH | RECONCILE))
		jobs[n++] = work_look;
	jobs[n] = NULL;
	return n > 0;
}

/* False if threads are wanted and none could be started. */
static bool
start_crews(struct helper *h)
{
	static work_fn *const post[] = {deliver_lane, NULL};
	const int threads = h->app.config.provision_parallel;
	const struct work_side all = {.threads = threads},
			       own = {.own = true, .threads = (threads + 1) / 2},
			       posts = {.threads = h->app.config.deliver_parallel};
	bool wanted = choose_jobs(h->asked, h->jobs);

	if (wanted) {
		h->crew = crew_start(&h->app, all, h->jobs);
		h->own = crew_start(&h->app, own, h->jobs);
	}
	if (h->asked & DELIVER)
		h->post = crew_start(&h->app, posts, post);
	return (!wanted || (h->crew != NULL && h->own != NULL)) &&
		(!(h->asked & DELIVER) || h->post != NULL);
}

static int
run(struct helper *h)
{
	int status = 0;

	if (!start_crews(h)) {
		log_write(LOG_ERROR, "start",
			LOG_STR("error", "no thread could be started"));
		status = 111;
	} else if (h->seconds > 0) {
		run_for(h);
	} else {
		run_once(h);
	}
	crew_stop(h->crew);
	crew_stop(h->own);
	crew_stop(h->post);
	return status;
}

static int
usage(FILE *to)
{
	fputs("usage: wapool-maintain [--for SECONDS] [TASK...]\n"
	      "       wapool-maintain --help | --version\n\n"
	      "Does what is due, then ends; with --for it goes on for that long, "
	      "reacting\n"
	      "within a second. Without a task it does them all:\n\n",
		to);
	for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++)
		fprintf(to, "  %-12s %s\n", tasks[i].name, tasks[i].help);
	fputs("\nFrom cron: * * * * * wapool-maintain --for 60\n"
	      "Settings come from the environment; see `wapoolctl config`.\n",
		to);
	return to == stdout ? 0 : 100;
}

static bool
parse_seconds(const char *text, int *out)
{
	char *end;
	long n;

	errno = 0;
	n = text != NULL ? strtol(text, &end, 10) : 0;
	if (text == NULL || errno != 0 || end == text || *end != '\0' || n < 1 ||
		n > MAX_SECONDS)
		return false;
	*out = (int)n;
	return true;
}

static bool
parse_task(const char *name, unsigned *asked)
{
	for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++) {
		if (strcmp(tasks[i].name, name) == 0) {
			*asked |= tasks[i].bit;
			return true;
		}
	}
	return false;
}

/* False if the program is done, with *status set. */
static bool
parse_arguments(struct helper *h, int argc, char **argv, int *status)
{
	bool ok = true;

	for (int i = 1; i < argc && ok; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			*status = usage(stdout);
			return false;
		}
		if (strcmp(argv[i], "--version") == 0) {
			printf("wapool-maintain %s\n", wapool_version);
			*status = 0;
			return false;
		}
		if (strcmp(argv[i], "--for") == 0)
			ok = parse_seconds(argv[++i], &h->seconds);
		else
			ok = parse_task(argv[i], &h->asked);
	}
	if (!ok)
		*status = usage(stderr);
	if (h->asked == 0)
		h->asked = ALL;
	return ok;
}

/* Exit status: 0, 100 for bad usage, 111 if it could not start (as s6 has them). */
int
main(int argc, char **argv)
{
	struct helper h = {0};
	struct err e = ERR_INIT;
	int status;

	if (!parse_arguments(&h, argc, argv, &status))
		return status;
	catch_signals();
	if (!app_open(&h.app, "wapool-maintain", APP_DB | APP_SEAL | APP_HTTP, &e)) {
		log_write(LOG_ERROR, "start", LOG_STR("error", e.text));
		return 111;
	}
	h.app.patient = true; /* somebody may be waiting for his QR */
	status = run(&h);
	app_close(&h.app);
	return status;
}
