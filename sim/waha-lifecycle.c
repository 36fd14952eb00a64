/* Sessions: start, stop, restart, log out, delete, and the deprecated calls. */
#include "waha.h"

#include "session.h"
#include "waha-config.h"
#include "waha-lock.h"
#include "waha-reply.h"

#include <stdlib.h>

/* What is done to a session of that name, its lock being held. */
typedef void action_fn(struct request *r, const char *name);

/* Answer with the session as it is now; with nothing if there is none. */
static void
show(struct request *r, const char *name)
{
	const struct session *s = request_session(r, name);

	if (s != NULL)
		waha_add_info(r->gw, s, false, &r->out);
}

/* Do something to the session in the path, under its lock. */
static void
locked(struct request *r, bool must_exist, action_fn *action)
{
	const char *name = r->seg[2];

	if (!waha_lock_begin(r, name))
		return;
	if (must_exist && request_session(r, name) == NULL)
		waha_reply_no_session(r);
	else
		action(r, name);
	waha_lock_end(r, name);
}

/* Start it if it is stopped (and still there). */
static void
ensure_started(struct request *r, const char *name)
{
	struct session *s = request_session(r, name);

	if (s != NULL && !session_running(s))
		session_start(r->gw, s);
}

static void
start(struct request *r, const char *name)
{
	ensure_started(r, name);
	show(r, name);
}

static void
stop(struct request *r, const char *name)
{
	if (waha_lock_stop(r, name))
		show(r, name);
}

static void
restart(struct request *r, const char *name)
{
	if (waha_lock_stop(r, name))
		start(r, name);
}

static void
logout(struct request *r, const char *name)
{
	struct session *s = request_session(r, name);
	bool ran = session_running(s);

	if (!waha_lock_unpair(r, name) || !waha_lock_stop(r, name))
		return;
	s = request_session(r, name);
	if (s == NULL)
		return;
	session_unlink(s);
	if (ran)
		ensure_started(r, name);
	show(r, name);
}

void
waha_session_start(struct request *r)
{
	locked(r, true, start);
}

void
waha_session_stop(struct request *r)
{
	locked(r, false, stop);
}

void
waha_session_restart(struct request *r)
{
	locked(r, true, restart);
}

void
waha_session_logout(struct request *r)
{
	locked(r, true, logout);
}

void
waha_session_delete(struct request *r)
{
	locked(r, false, waha_lock_delete);
}

/* The name in the body of a deprecated call; NULL if it is missing or wrong, and the
   answer is made. */
static const char *
old_name(struct request *r)
{
	const char *name = request_string(r, "name");
	struct text problems = {0}, list = {0};

	if (name == NULL || name[0] == '\0') {
		waha_reply_error(r, 422, "Session name is required");
		return NULL;
	}
	waha_config_check_name(json_object_get(r->body, "name"), &problems);
	if (problems.len == 0)
		return name;
	text_addf(&list, "[%s]", problems.s);
	waha_reply_invalid(r, list.s);
	text_free(&list);
	text_free(&problems);
	return NULL;
}

/* The rest of the deprecated start, with the lock held; takes config over. */
static void
old_start(struct request *r, const char *name, char *config, bool has_webhooks)
{
	struct session *s = request_session(r, name);
	struct text message = {0};

	if (s != NULL && session_running(s)) {
		text_addf(&message, "Session '%s' is already started.", name);
		waha_reply_error(r, 422, message.s);
		text_free(&message);
		free(config);
		return;
	}
	if (s == NULL)
		s = session_new(r->gw, name);
	session_configure(s, config, has_webhooks);
	session_start(r->gw, s);
	text_addf(&r->out, "{\"name\":\"%s\",\"status\":\"%s\",\"config\":%s}", name,
		status_name(s->status), s->config != NULL ? s->config : "null");
}

void
waha_old_start(struct request *r)
{
	const char *name = old_name(r);
	struct text problems = {0};
	bool has_webhooks;
	char *config;

	if (name == NULL)
		return;
	config = waha_config_clean(
		json_object_get(r->body, "config"), &problems, &has_webhooks);
	text_free(&problems); /* the deprecated call does not validate */
	if (!waha_lock_begin(r, name)) {
		free(config);
		return;
	}
	old_start(r, name, config, has_webhooks);
	waha_lock_end(r, name);
}

void
waha_old_stop(struct request *r)
{
	const char *name = old_name(r);

	if (name == NULL || !waha_lock_begin(r, name))
		return;
	if (json_is_true(json_object_get(r->body, "logout")))
		waha_lock_delete(r, name);
	else if (!waha_lock_stop(r, name))
		r->end = REQUEST_RESET;
	waha_lock_end(r, name);
}

void
waha_old_logout(struct request *r)
{
	const char *name = old_name(r);

	if (name == NULL || !waha_lock_begin(r, name))
		return;
	waha_lock_delete(r, name);
	waha_lock_end(r, name);
}
