#include "api.h"

#include "clock.h"
#include "fault.h"
#include "ids.h"
#include "reply.h"
#include "route.h"

#include <string.h>

static const char *api_key;

static const struct route routes[] = {
	{"GET", "/ping", api_ping, -1, 200},
	{"GET", "/health", api_health, -1, 200},
	{"GET", "/api/sessions", api_sessions_list, -1, 200},
	{"POST", "/api/sessions", api_sessions_create, -1, 201},
	{"POST", "/api/sessions/start", api_old_start, -1, 201},
	{"POST", "/api/sessions/stop", api_old_stop, -1, 201},
	{"POST", "/api/sessions/logout", api_old_logout, -1, 201},
	{"GET", "/api/sessions/*", api_session_get, 2, 200},
	{"PUT", "/api/sessions/*", api_session_update, 2, 200},
	{"DELETE", "/api/sessions/*", api_session_delete, 2, 200},
	{"GET", "/api/sessions/*/me", api_session_me, 2, 200},
	{"POST", "/api/sessions/*/start", api_session_start, 2, 201},
	{"POST", "/api/sessions/*/stop", api_session_stop, 2, 201},
	{"POST", "/api/sessions/*/restart", api_session_restart, 2, 201},
	{"POST", "/api/sessions/*/logout", api_session_logout, 2, 201},
	{"GET", "/api/*/auth/qr", api_auth_qr, 1, 200},
	{"POST", "/api/*/auth/request-code", api_auth_code, 1, 201},
	{"POST", "/api/sendText", api_send_text, -1, 201},
	{"GET", "/api/server/status", api_server_status, -1, 200},
	{"GET", "/api/server/version", api_server_version, -1, 200},
	{"GET", "/api/version", api_server_version, -1, 200},
};

void
api_set_key(const char *key)
{
	api_key = key;
}

/* Whether the request carries the key where one is asked for. */
static bool
authorized(const struct request *r)
{
	const char *given = request_header(r, "X-Api-Key");
	bool guarded = r->segs > 0 &&
		(strcmp(r->seg[0], "api") == 0 || strcmp(r->seg[0], "health") == 0);

	return api_key == NULL || !guarded ||
		(given != NULL && strcmp(given, api_key) == 0);
}

static void
answer_garbage(struct request *r)
{
	unsigned char noise[300];

	ids_random(noise, sizeof noise);
	text_free(&r->out);
	text_add(&r->out, "{\"name\":\"");
	text_addn(&r->out, noise, sizeof noise);
	r->status = 200;
	r->type = "application/json; charset=utf-8";
}

static void
answer_status(struct request *r, unsigned status)
{
	if (status == 401)
		reply_unauthorized(r);
	else if (status == 500)
		reply_exception(r, "Error", "Simulated fault");
	else
		reply_error(r, status, "Simulated fault");
}

/* Do what a fault says; true if the request is thereby settled. The list may have
   changed during a sleep, so the fault is a copy. */
static bool
suffer(struct request *r, struct fault f)
{
	switch (f.kind) {
	case FAULT_LATENCY:
		return !request_sleep(r, f.ms);
	case FAULT_HANG:
		r->end = REQUEST_HANG;
		return true;
	case FAULT_STATUS:
		answer_status(r, f.status);
		return true;
	case FAULT_GARBAGE:
		answer_garbage(r);
		return true;
	case FAULT_RESET:
		r->end = REQUEST_RESET;
		return true;
	case FAULT_UNAUTHORIZED:
		reply_unauthorized(r);
		return true;
	default:
		return false;
	}
}

/* Roll the faults on requests; true if one settled the request. */
static bool
any_fault(struct request *r)
{
	const struct fault *f;
	size_t i;

	for (i = 0; i < r->gw->faults.count; i++) {
		f = fault_roll_request(r->gw, i, r->session, r->path);
		if (f != NULL && suffer(r, *f))
			return true;
	}
	return false;
}

/* The session a request is about, in its path or in its body. */
static const char *
session_of(const struct request *r, const struct route *route)
{
	const char *name;

	if (route == NULL)
		return NULL;
	if (route->session_segment >= 0)
		return r->seg[route->session_segment];
	name = request_string(r, "session");
	return name != NULL ? name : request_string(r, "name");
}

/* Whether express would parse the body, and cannot. */
static bool
bad_json(struct request *r)
{
	const char *type = request_header(r, "Content-Type");
	json_error_t why;
	struct text message = {0};

	if (r->raw.len == 0 || type == NULL || strstr(type, "json") == NULL)
		return false;
	r->body = json_loadb(r->raw.s, r->raw.len, 0, &why);
	if (r->body != NULL)
		return false;
	text_addf(&message, "Unexpected token in JSON at position %d", why.position);
	reply_error(r, 400, message.s);
	text_free(&message);
	return true;
}

void
api_run(struct request *r)
{
	const struct route *route =
		route_find(routes, sizeof routes / sizeof routes[0], r);

	r->route = route != NULL ? route->pattern : "(none)";
	if (r->gw->down) {
		r->end = REQUEST_RESET;
		return;
	}
	if (r->too_big) {
		reply_error(r, 413, "request entity too large");
		return;
	}
	if (bad_json(r))
		return;
	r->session = session_of(r, route);
	if (any_fault(r))
		return;
	if (!authorized(r)) {
		reply_unauthorized(r);
	} else if (route == NULL) {
		reply_no_route(r);
	} else {
		r->status = route->status;
		route->run(r);
	}
}
