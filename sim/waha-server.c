/* The process: liveness, version, uptime. */
#include "waha.h"

#include "clock.h"
#include "waha-event.h"
#include "waha-reply.h"

void
waha_ping(struct request *r)
{
	text_add(&r->out, "{\"message\":\"pong\"}");
}

void
waha_health(struct request *r)
{
	waha_reply_error(r, 422,
		"The feature is available only in Plus version for 'NOWEB' engine. "
		"Check this out: https://waha.devlike.pro/docs/how-to/plus-version/");
}

void
waha_server_status(struct request *r)
{
	int64_t now = clock_wall_ms();

	text_addf(&r->out,
		"{\"startTimestamp\":%lld,\"uptime\":%lld,\"worker\":{\"id\":\"%s\"}}",
		(long long)r->gw->start_ms,
		(long long)(now > r->gw->start_ms ? now - r->gw->start_ms : 0),
		r->gw->name);
}

void
waha_server_version(struct request *r)
{
	waha_event_add_environment(r->gw, &r->out);
}
