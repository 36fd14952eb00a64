/* Health by hand: look, recover, clean up, and the three in one (seed 002). */
#include <stdio.h>
#include <string.h>

#include "ctl/ctl.h"
#include "lib/instance.h"
#include "lib/repair.h"

/* check, recover and clean up, one after the other: each ends by itself within a minute */
#define ENSURE_MS 180000

/* The one operand and the options that these have. */
struct call {
	const char *name;
	bool json, yes;
};

static bool
take_call(int argc, char **argv, bool may_ask, struct call *out)
{
	const struct option options[] = {{"json", &out->json, NULL},
		{may_ask ? "yes" : NULL, &out->yes, NULL}, {NULL, NULL, NULL}};

	*out = (struct call){0};
	if (!take_options(&argc, argv, options) || argc != 1)
		return false;
	out->name = argv[0];
	return true;
}

static int
answer_check(const struct call *c, const struct health_report *r)
{
	int status = DONE;

	if (c->json)
		status = print_json(json_pack("{s:s, s:b, s:s, s:s, s:b}", "instance",
			c->name, "healthy", r->healthy, "state", health_name(r->state),
			"reason", r->reason, "shouldCleanup", r->should_cleanup));
	else
		printf("%s  %s%s%s\n", c->name, health_name(r->state),
			*r->reason != '\0' ? ": " : "", r->reason);
	return status == DONE && !r->healthy ? NOT_WELL : status;
}

static int
check_one(struct app *app, const struct call *c)
{
	struct health_report report;
	struct err e = ERR_INIT;

	return check_instance_health(app, c->name, ctl_deadline(), &report, &e)
		? answer_check(c, &report)
		: complain_err(&e);
}

static int
recover_one(struct app *app, const struct call *c)
{
	bool recovered = false;
	struct err e = ERR_INIT;
	int status = DONE;

	if (!try_recover_instance(app, c->name, ctl_deadline(), &recovered, &e))
		return complain_err(&e);
	if (c->json)
		status = print_json(json_pack(
			"{s:s, s:b}", "instance", c->name, "recovered", recovered));
	else
		printf("%s %s\n", c->name, recovered ? "recovered" : "is still ill");
	return status == DONE && !recovered ? NOT_WELL : status;
}

static int
cleanup_one(struct app *app, const struct call *c)
{
	struct err e = ERR_INIT;
	char question[600];
	struct instance i;

	if (!instance_get(app, c->name, false, ctl_deadline(), &i, &e))
		return complain_err(&e);
	if (strcmp(i.origin, "admin") == 0)
		return complain(REFUSED,
			"%s was made by an administrator: restart or release it",
			i.name);
	snprintf(question, sizeof(question),
		"The session of %s will be deleted and made anew%s.", i.name,
		i.paired ? "; its phone has to scan again" : "");
	if (!confirmed(c->yes, question))
		return REFUSED;
	if (!cleanup_corrupted_instance(app, &i, ctl_deadline(), &e))
		return complain_err(&e);
	if (c->json)
		return print_json(
			json_pack("{s:s, s:b}", "instance", c->name, "cleaned", 1));
	printf("%s cleaned\n", c->name);
	return DONE;
}

static const char *
ensured(const struct ensure_result *r)
{
	if (r->cleaned)
		return "cleaned";
	if (r->recovered)
		return "recovered";
	return r->healthy ? "is healthy" : "is still ill";
}

static int
ensure_one(struct app *app, const struct call *c)
{
	struct ensure_result r;
	struct err e = ERR_INIT;
	int status = DONE;

	if (!ensure_healthy_instance(app, c->name, deadline_in(ENSURE_MS), &r, &e))
		return complain_err(&e);
	if (c->json)
		status = print_json(json_pack("{s:s, s:b, s:b, s:b}", "instance",
			c->name, "healthy", r.healthy, "cleaned", r.cleaned,
			"recovered", r.recovered));
	else
		printf("%s %s\n", c->name, ensured(&r));
	return status == DONE && !r.healthy ? NOT_WELL : status;
}

/* Reads the call, and does it. */
static int
run(int argc, char **argv, bool may_ask, int (*act)(struct app *, const struct call *))
{
	struct app app;
	struct call c;
	int status;

	if (!take_call(argc, argv, may_ask, &c))
		return USAGE;
	if (!ctl_open(&app, APP_DB | APP_SEAL | APP_HTTP))
		return TROUBLE;
	status = act(&app, &c);
	app_close(&app);
	return status;
}

static int
check(int argc, char **argv)
{
	return run(argc, argv, false, check_one);
}

static int
recover(int argc, char **argv)
{
	return run(argc, argv, false, recover_one);
}

static int
cleanup(int argc, char **argv)
{
	return run(argc, argv, true, cleanup_one);
}

static int
ensure(int argc, char **argv)
{
	return run(argc, argv, false, ensure_one);
}

const struct command repair_commands[] = {
	{"check", "NAME [--json]",
		"ask its gateway now and judge; the status is 2 if it is ill", check},
	{"recover", "NAME [--json]",
		"restart it, at last log it out; the status is 2 if it is still ill",
		recover},
	{"cleanup", "NAME [--yes] [--json]",
		"delete its session and make it anew; a paired phone must scan again",
		cleanup},
	{"ensure", "NAME [--json]",
		"check; if it is ill, recover; if that fails, cleanup, but never while repairs are frozen",
		ensure},
	{NULL, NULL, NULL, NULL},
};
