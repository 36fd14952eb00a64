/* Instances: looking at them, making them, giving them back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/ctl.h"
#include "lib/admin.h"
#include "lib/instance.h"
#include "lib/phone.h"

#define TRAIL_ROWS 200

/* --- list --- */

static int
list_table(const struct instance_page *page)
{
	static const char *const heads[] = {
		"NAME", "LIFECYCLE", "STATUS", "HEALTH", "SERVER", "OWNER", "SINCE"};
	struct table t;
	int status;

	table_init(&t, heads, 7);
	for (size_t i = 0; i < page->n; i++) {
		const struct instance *row = &page->rows[i];

		table_row(&t,
			(const char *[]){row->name, row->lifecycle, row->status,
				row->health, row->server,
				*row->email != '\0' ? row->email : row->user_id,
				row->lifecycle_at});
	}
	status = print_table(&t);
	if (*page->next != '\0')
		printf("\nMore: --cursor %s\n", page->next);
	return status;
}

static json_t *
list_json(const struct instance_page *page, bool phones)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < page->n; i++)
		json_array_append_new(rows, instance_json(&page->rows[i], phones));
	return json_pack("{s:o, s:o}", "instances", rows, "next",
		*page->next != '\0' ? json_string(page->next) : json_null());
}

static int
list(int argc, char **argv)
{
	struct instance_filter f = {.limit = INSTANCE_PAGE_MAX};
	struct instance_page page = {0};
	struct err e = ERR_INIT;
	const char *limit = NULL;
	bool json = false, phones = false;
	const struct option options[] = {{"lifecycle", NULL, &f.lifecycle},
		{"health", NULL, &f.health}, {"server", NULL, &f.server},
		{"status", NULL, &f.status}, {"text", NULL, &f.text},
		{"limit", NULL, &limit}, {"cursor", NULL, &f.cursor},
		{"json", &json, NULL}, {"phones", &phones, NULL}, {NULL, NULL, NULL}};
	struct app app;
	int status;

	if (!take_options(&argc, argv, options) || argc != 0)
		return USAGE;
	if (limit != NULL && !number_of(limit, 1, INSTANCE_PAGE_MAX, &f.limit))
		return complain(USAGE, "--limit is 1 to %d", INSTANCE_PAGE_MAX);
	if (!ctl_open(&app, APP_DB))
		return TROUBLE;
	if (!instance_list(&app, &f, ctl_deadline(), &page, &e))
		status = complain_err(&e);
	else
		status =
			json ? print_json(list_json(&page, phones)) : list_table(&page);
	instance_page_free(&page);
	app_close(&app);
	return status;
}

/* --- show --- */

static void
record_table(const struct instance *i, bool phones)
{
	const char *rows[][2] = {{"name", i->name}, {"id", i->id},
		{"server", i->server}, {"server id", i->server_id},
		{"gateway", i->kind}, {"origin", i->origin},
		{"lifecycle", i->lifecycle}, {"since", i->lifecycle_at},
		{"status", i->status}, {"status seen", i->status_at},
		{"health", i->health}, {"health reason", i->health_reason},
		{"health since", i->health_at}, {"user", i->user_id},
		{"e-mail", i->email}, {"device", i->device_id},
		{"phone",
			*i->phone == '\0' ? ""
				: phones  ? i->phone
					  : "(--phones)"},
		{"profile", phones ? i->profile : ""}, {"assigned", i->assigned_at},
		{"paired", i->paired_at}, {"last connected", i->connected_at},
		{"made", i->created_at}, {"last error", i->last_error}};
	struct table t = {0};

	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		if (t.columns == 0)
			table_init(&t, rows[k], 2);
		else if (*rows[k][1] != '\0')
			table_row(&t, rows[k]);
	}
	print_table(&t);
}

/* What changed, as one cell. */
static void
change_of(const struct instance_event *v, char *out, size_t size)
{
	if (*v->from != '\0' && *v->to != '\0')
		snprintf(out, size, "%s -> %s", v->from, v->to);
	else
		snprintf(out, size, "%s%s", v->from, v->to);
}

static int
trail_table(const struct instance_trail *trail)
{
	static const char *const heads[] = {
		"WHEN", "WHAT", "CHANGE", "AFTER", "BY", "WHY"};
	struct table t;

	table_init(&t, heads, 6);
	for (size_t i = 0; i < trail->n; i++) {
		const struct instance_event *v = &trail->rows[i];
		char change[600], lasted[TABLE_DURATION];

		change_of(v, change, sizeof(change));
		table_row(&t,
			(const char *[]){v->at, v->kind, change,
				table_duration(v->duration_ms, lasted), v->actor,
				v->reason});
	}
	putchar('\n');
	return print_table(&t);
}

static int
show(int argc, char **argv)
{
	struct instance_trail trail = {0};
	bool json = false, phones = false;
	const struct option options[] = {
		{"json", &json, NULL}, {"phones", &phones, NULL}, {NULL, NULL, NULL}};
	struct err e = ERR_INIT;
	struct instance i;
	struct app app;
	int status;

	if (!take_options(&argc, argv, options) || argc != 1)
		return USAGE;
	if (!ctl_open(&app, APP_DB))
		return TROUBLE;
	if (!instance_get(&app, argv[0], true, ctl_deadline(), &i, &e) ||
		!instance_trail(&app, i.id, TRAIL_ROWS, ctl_deadline(), &trail, &e)) {
		status = complain_err(&e);
	} else if (json) {
		status = print_json(
			json_pack("{s:o, s:o}", "instance", instance_json(&i, phones),
				"events", instance_trail_json(&trail)));
	} else {
		record_table(&i, phones);
		status = trail_table(&trail);
	}
	instance_trail_free(&trail);
	app_close(&app);
	return status;
}

/* --- release --- */

static int
release_one(struct app *app, const char *which, const char *reason, bool yes)
{
	struct err e = ERR_INIT;
	char question[700];
	struct instance i;
	bool released;

	if (!instance_get(app, which, false, ctl_deadline(), &i, &e))
		return complain_err(&e);
	if (strcmp(i.lifecycle, "assigned") != 0)
		return complain(
			REFUSED, "%s is %s: nobody has it", i.name, i.lifecycle);
	snprintf(question, sizeof(question),
		"%s will be logged out and deleted at its gateway; %s.", i.name,
		strcmp(i.origin, "admin") == 0 ? "it is not made anew"
					       : "its user loses it");
	if (!confirmed(yes, question))
		return REFUSED;
	if (!admin_release(app, &i, reason, NULL, ctl_deadline(), &released, &e))
		return complain_err(&e);
	if (!released)
		return complain(REFUSED, "%s has changed hands meanwhile", i.name);
	printf("%s released\n", i.name);
	return DONE;
}

static int
release(int argc, char **argv)
{
	const char *reason = "released by hand";
	bool yes = false;
	const struct option options[] = {
		{"reason", NULL, &reason}, {"yes", &yes, NULL}, {NULL, NULL, NULL}};
	struct app app;
	int status;

	if (!take_options(&argc, argv, options) || argc != 1)
		return USAGE;
	if (!ctl_open(&app, APP_DB))
		return TROUBLE;
	status = release_one(&app, argv[0], reason, yes);
	app_close(&app);
	return status;
}

/* --- instance add --- */

struct adding {
	struct app app;
	const char *server;
	bool if_missing;
	json_t *made; /* with --json */
	int status;   /* the worst so far */
};

static void
worse(struct adding *a, int status)
{
	if (status > a->status)
		a->status = status;
}

static void
add_one(struct adding *a, const char *name, const char *number)
{
	struct admin_wish wish = {.name = name, .server = a->server};
	char digits[PHONE_SIZE];
	struct err e = ERR_INIT;
	enum problem problem;
	struct claim c;

	if (number != NULL && !phone_digits(number, digits)) {
		worse(a, complain(REFUSED, "%s: that is no telephone number", name));
		return;
	}
	wish.number = number != NULL ? digits : NULL;
	if (!admin_name_valid(name)) {
		worse(a,
			complain(REFUSED,
				"%s: a name is 1 to %d letters, digits, _ or -, and "
				"not "
				"like pool-1-1",
				name, ADMIN_NAME_MAX));
	} else if (admin_make(&a->app, &wish, ctl_deadline(), &c, &problem, &e)) {
		if (a->made != NULL)
			json_array_append_new(a->made,
				json_pack("{s:s, s:s, s:s, s:s}", "nome", c.name, "id",
					c.instance_id, "deviceId", c.device_id,
					"serverId", c.server_id));
		else
			printf("%s made: %s\n", c.name, c.instance_id);
	} else if (problem == PROBLEM_NAME_TAKEN && a->if_missing) {
		if (a->made == NULL)
			printf("%s is there\n", name);
	} else {
		bool refused =
			problem == PROBLEM_NAME_TAKEN || problem == PROBLEM_INVALID;

		worse(a, complain(refused ? REFUSED : TROUBLE, "%s: %s", name, e.text));
	}
}

/* A line of any length is a name and, if known, a number; "#" begins a comment. */
static void
add_lines(struct adding *a)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) >= 0) {
		char *rest = line, *name, *number;

		line[strcspn(line, "#\r\n")] = '\0';
		name = strtok_r(line, " \t", &rest);
		number = rest + strspn(rest, " \t");
		if (name != NULL)
			add_one(a, name, *number != '\0' ? number : NULL);
	}
	free(line);
}

static int
add(int argc, char **argv)
{
	struct adding a = {.status = DONE};
	const char *number = NULL;
	bool json = false;
	const struct option options[] = {{"server", NULL, &a.server},
		{"number", NULL, &number}, {"if-missing", &a.if_missing, NULL},
		{"json", &json, NULL}, {NULL, NULL, NULL}};

	if (!take_options(&argc, argv, options) || argc == 0 ||
		(number != NULL && argc != 1))
		return USAGE;
	if (!ctl_open(&a.app, APP_DB | APP_SEAL | APP_HTTP))
		return TROUBLE;
	a.made = json ? json_array() : NULL;
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], "-") == 0)
			add_lines(&a);
		else
			add_one(&a, argv[i], number);
	if (json)
		worse(&a, print_json(a.made));
	app_close(&a.app);
	return a.status;
}

const struct command instance_commands[] = {
	{"list",
		"[--lifecycle L] [--health H] [--server S] [--status S] [--text T] "
		"[--limit N] [--cursor C] [--phones] [--json]",
		"instances, a page at a time, in the order of their names", list},
	{"show", "NAME [--phones] [--json]",
		"one instance and what happened to it, by its name, a former one, or "
		"id",
		show},
	{"release", "NAME [--reason TEXT] [--yes]",
		"take an instance from its owner; it is emptied before anybody gets it",
		release},
	{"instance add", "NAME... [--server S] [--number N] [--if-missing] [--json]",
		"make instances of your own; - reads names and numbers from standard "
		"input",
		add},
	{NULL, NULL, NULL, NULL},
};
