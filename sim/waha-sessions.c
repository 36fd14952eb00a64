/* Sessions: the list, one of them, creating and changing its configuration. */
#include "waha.h"

#include "clock.h"
#include "fault.h"
#include "ids.h"
#include "session.h"
#include "waha-config.h"
#include "waha-lock.h"
#include "waha-reply.h"

#include <stdlib.h>
#include <string.h>

/* The value of a boolean query parameter: 0, 1, or -1 if it is neither. */
static int
query_boolean(const struct request *r, const char *name)
{
	const char *value = request_query(r, name);

	if (value == NULL || strcmp(value, "false") == 0)
		return 0;
	return strcmp(value, "true") == 0 ? 1 : -1;
}

void
waha_sessions_list(struct request *r)
{
	int all = query_boolean(r, "all");
	const struct session *s;
	bool first = true;

	if (all < 0) {
		waha_reply_invalid(r, "[\"all must be a boolean value\"]");
		return;
	}
	text_add(&r->out, "[");
	for (s = r->gw->sessions.first; s != NULL; s = s->next) {
		if (!all && !session_running(s))
			continue;
		if (!first)
			text_add(&r->out, ",");
		first = false;
		waha_add_info(r->gw, s, true, &r->out);
	}
	text_add(&r->out, "]");
}

/* Answer 400 if there are problems. */
static bool
refused(struct request *r, struct text *problems)
{
	struct text list = {0};

	if (problems->len == 0)
		return false;
	text_addf(&list, "[%s]", problems->s);
	waha_reply_invalid(r, list.s);
	text_free(&list);
	text_free(problems);
	return true;
}

/* The rest of creating, with the name's lock held; takes config over. */
static void
create(struct request *r, const char *name, bool start, char *config, bool has_webhooks)
{
	struct session *s = request_session(r, name);
	struct text message = {0};

	if (s != NULL) {
		text_addf(&message,
			"Session '%s' already exists. Use PUT to update it.", name);
		waha_reply_error(r, 422, message.s);
		text_free(&message);
		free(config);
		return;
	}
	s = session_new(r->gw, name);
	session_configure(s, config, has_webhooks);
	if (start)
		session_start(r->gw, s);
	waha_add_info(r->gw, s, false, &r->out);
}

void
waha_sessions_create(struct request *r)
{
	const json_t *start = json_object_get(r->body, "start");
	const char *given = request_string(r, "name");
	struct text problems = {0};
	char name[SESSION_NAME_MAX + 16] = "session_";
	char *config;
	bool has_webhooks;

	waha_config_check_name(json_object_get(r->body, "name"), &problems);
	if (start != NULL && !json_is_null(start) && !json_is_boolean(start))
		waha_config_problem(&problems, "start must be a boolean value");
	config = waha_config_clean(
		json_object_get(r->body, "config"), &problems, &has_webhooks);
	if (refused(r, &problems)) {
		free(config);
		return;
	}
	if (given != NULL && given[0] != '\0')
		memcpy(name, given, strlen(given) + 1);
	else
		ids_ulid(name + strlen(name), clock_wall_ms());
	if (!waha_lock_begin(r, name)) {
		free(config);
		return;
	}
	create(r, name, json_is_true(start), config, has_webhooks);
	waha_lock_end(r, name);
}

void
waha_session_get(struct request *r)
{
	const struct session *s = request_session(r, r->seg[2]);

	if (s == NULL || fault_roll(r->gw, FAULT_GHOST, r->session, r->path) != NULL)
		waha_reply_no_session(r);
	else
		waha_add_info(r->gw, s, false, &r->out);
}

void
waha_session_me(struct request *r)
{
	const struct session *s = request_session(r, r->seg[2]);

	if (s == NULL || !session_running(s))
		waha_reply_not_running(r, r->seg[2]);
	else
		waha_add_me(s, &r->out);
}

void
waha_session_update(struct request *r)
{
	struct text problems = {0};
	const char *name = r->seg[2];
	bool has_webhooks;
	char *config = waha_config_clean(
		json_object_get(r->body, "config"), &problems, &has_webhooks);

	if (refused(r, &problems)) {
		free(config);
		return;
	}
	if (!waha_lock_begin(r, name)) {
		free(config);
		return;
	}
	waha_lock_update(r, name, config, has_webhooks);
	waha_lock_end(r, name);
}
