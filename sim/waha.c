#include "waha.h"

#include "api.h"
#include "ids.h"
#include "kind.h"
#include "session.h"
#include "waha-event.h"
#include "waha-reply.h"

#include <string.h>

static const struct route routes[] = {
	{"GET", "/ping", waha_ping, -1, 200},
	{"GET", "/health", waha_health, -1, 200},
	{"GET", "/api/sessions", waha_sessions_list, -1, 200},
	{"POST", "/api/sessions", waha_sessions_create, -1, 201},
	{"POST", "/api/sessions/start", waha_old_start, -1, 201},
	{"POST", "/api/sessions/stop", waha_old_stop, -1, 201},
	{"POST", "/api/sessions/logout", waha_old_logout, -1, 201},
	{"GET", "/api/sessions/*", waha_session_get, 2, 200},
	{"PUT", "/api/sessions/*", waha_session_update, 2, 200},
	{"DELETE", "/api/sessions/*", waha_session_delete, 2, 200},
	{"GET", "/api/sessions/*/me", waha_session_me, 2, 200},
	{"POST", "/api/sessions/*/start", waha_session_start, 2, 201},
	{"POST", "/api/sessions/*/stop", waha_session_stop, 2, 201},
	{"POST", "/api/sessions/*/restart", waha_session_restart, 2, 201},
	{"POST", "/api/sessions/*/logout", waha_session_logout, 2, 201},
	{"GET", "/api/*/auth/qr", waha_auth_qr, 1, 200},
	{"POST", "/api/*/auth/request-code", waha_auth_code, 1, 201},
	{"POST", "/api/sendText", waha_send_text, -1, 201},
	{"GET", "/api/server/status", waha_server_status, -1, 200},
	{"GET", "/api/server/version", waha_server_version, -1, 200},
	{"GET", "/api/version", waha_server_version, -1, 200},
};

/* Whether the request carries the key where one is asked for. */
static bool
authorized(const struct request *r)
{
	const char *given = request_header(r, "X-Api-Key"), *key = api_key();
	bool guarded = r->segs > 0 &&
		(strcmp(r->seg[0], "api") == 0 || strcmp(r->seg[0], "health") == 0);

	return key == NULL || !guarded || (given != NULL && strcmp(given, key) == 0);
}

static bool
admit(struct request *r, const struct route *route)
{
	if (authorized(r) && route != NULL)
		return true;
	if (route == NULL && authorized(r))
		waha_reply_no_route(r);
	else
		waha_reply_unauthorized(r);
	return false;
}

static const char *
session_of(const struct request *r)
{
	const char *name = request_string(r, "session");

	return name != NULL ? name : request_string(r, "name");
}

static void
refuse(struct request *r, unsigned status, const char *message)
{
	if (status == 401)
		waha_reply_unauthorized(r);
	else if (status == 500)
		waha_reply_exception(r, "Error", message);
	else
		waha_reply_error(r, status, message);
}

void
waha_add_me(const struct session *s, struct text *out)
{
	char lid[16];

	if (!s->me_known || s->phone == NULL) {
		text_add(out, "null");
		return;
	}
	ids_lid(lid, s->phone);
	text_addf(out, "{\"id\":\"%s@c.us\",\"pushName\":", s->phone);
	text_json(out, s->push_name);
	text_addf(out, ",\"lid\":\"%s@lid\"}", lid);
}

void
waha_add_info(const struct gateway *gw, const struct session *s, bool in_list,
	struct text *out)
{
	text_addf(out,
		"{\"name\":\"%s\",\"status\":\"%s\",\"config\":%s,\"me\":", s->name,
		status_name(s->status), s->config != NULL ? s->config : "null");
	waha_add_me(s, out);
	text_add(out, ",\"presence\":null,\"timestamps\":");
	if (!session_running(s))
		text_add(out, "{\"activity\":null}");
	else if (s->activity_ms == 0)
		text_add(out, "{}");
	else
		text_addf(out, "{\"activity\":%lld}", (long long)s->activity_ms);
	if (in_list)
		text_addf(out, ",\"assignedWorker\":\"%s\"}", gw->name);
	else
		text_addf(out, ",\"engine\":%s}",
			session_running(s) ? "{\"engine\":\"NOWEB\"}" : "{}");
}

const struct kind kind_waha = {
	.name = "waha",
	.routes = routes,
	.route_count = sizeof routes / sizeof routes[0],
	.admit = admit,
	.session_of = session_of,
	.refuse = refuse,
	.entered = waha_event_status,
	.message = waha_event_message,
	.ack = waha_event_ack,
	.user_domain = "@c.us",
	.qr_first_ms = 60000,
	.qr_next_ms = 20000,
	.qr_max = 6,
	.starting_max = 60,
	.fails_unlinked = true,
};
