#include "waha-await.h"

#include "clock.h"
#include "waha-reply.h"

#define RUNNING_MS 5000
#define STATUS_MS 10000

/* Wait for anything to happen to the session; false once the deadline has passed or
   the request is over. */
static bool
more(struct request *r, const char *name, int64_t deadline)
{
	enum wait_end end = wait_until(r->gw, r->epoch, name, deadline);

	if (end == WAIT_OVER)
		r->end = REQUEST_RESET;
	return end == WAIT_WOKEN;
}

struct session *
waha_await_status(struct request *r, const char *name, enum status wanted)
{
	int64_t deadline = clock_in(RUNNING_MS);
	struct session *s = request_session(r, name);

	while ((s == NULL || !session_running(s)) && more(r, name, deadline))
		s = request_session(r, name);
	s = request_session(r, name);
	deadline = clock_in(STATUS_MS);
	while (r->end == REQUEST_ANSWER && s != NULL && session_running(s) &&
		s->status != wanted && more(r, name, deadline))
		s = request_session(r, name);
	s = request_session(r, name);
	if (r->end != REQUEST_ANSWER)
		return NULL;
	if (s == NULL)
		waha_reply_unknown(r, name);
	else if (s->status != wanted)
		waha_reply_wrong_status(r, s, status_name(wanted));
	return s != NULL && s->status == wanted ? s : NULL;
}
