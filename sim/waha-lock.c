#include "waha-lock.h"

#include "clock.h"
#include "fault.h"
#include "session.h"
#include "waha-reply.h"
#include "waha.h"

#include <stdlib.h>

#define LOCK_WAIT_MS 5000
#define AFTER_STOP_MS 1000 /* NOWEB */
#define AFTER_UNPAIR_MS 1000

static void
reply_lock_timeout(struct request *r, const char *name)
{
	struct text message = {0};

	text_addf(&message, "async-lock timed out in queue %s", name);
	waha_reply_exception(r, "Error", message.s);
	text_free(&message);
}

bool
waha_lock_begin(struct request *r, const char *name)
{
	enum wait_end end;

	if (fault_roll(r->gw, FAULT_LOCK_TIMEOUT, name, r->path) != NULL) {
		if (request_sleep(r, LOCK_WAIT_MS))
			reply_lock_timeout(r, name);
		return false;
	}
	end = wait_lock(r->gw, r->epoch, name, clock_in(LOCK_WAIT_MS));
	if (end == WAIT_OVER)
		r->end = REQUEST_RESET;
	else if (end == WAIT_TIMEOUT)
		reply_lock_timeout(r, name);
	return end == WAIT_WOKEN;
}

void
waha_lock_end(struct request *r, const char *name)
{
	wait_unlock(r->gw, name);
}

bool
waha_lock_stop(struct request *r, const char *name)
{
	struct session *s = request_session(r, name);

	if (s == NULL || !session_running(s))
		return true;
	session_stop(r->gw, s);
	return request_sleep(r, AFTER_STOP_MS);
}

void
waha_lock_update(struct request *r, const char *name, char *config, bool has_webhooks)
{
	struct session *s = request_session(r, name);
	bool ran = s != NULL && session_running(s);

	if (s == NULL) {
		free(config);
		waha_reply_no_session(r);
		return;
	}
	if (!waha_lock_stop(r, name) || (s = request_session(r, name)) == NULL) {
		free(config);
		return;
	}
	session_configure(s, config, has_webhooks);
	if (ran && !session_running(s))
		session_start(r->gw, s);
	waha_add_info(r->gw, s, false, &r->out);
}

bool
waha_lock_unpair(struct request *r, const char *name)
{
	struct session *s = request_session(r, name);

	if (s == NULL || !session_running(s))
		return true;
	return request_sleep(r, AFTER_UNPAIR_MS);
}

void
waha_lock_delete(struct request *r, const char *name)
{
	bool lingers = fault_roll(r->gw, FAULT_DELETE_LINGERS, name, r->path) != NULL;
	struct session *s;

	if (!waha_lock_unpair(r, name) || !waha_lock_stop(r, name))
		return;
	s = request_session(r, name);
	if (s != NULL && !lingers)
		session_delete(r->gw, s);
}
