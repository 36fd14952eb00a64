#include "api.h"

#include "fault.h"
#include "ids.h"
#include "kind.h"
#include "route.h"

#include <string.h>

static const char *key;

void
api_set_key(const char *given)
{
	key = given;
}

const char *
api_key(void)
{
	return key;
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
		r->gw->kind->refuse(r, f.status, "Simulated fault");
		return true;
	case FAULT_GARBAGE:
		answer_garbage(r);
		return true;
	case FAULT_RESET:
		r->end = REQUEST_RESET;
		return true;
	case FAULT_UNAUTHORIZED:
		r->gw->kind->refuse(r, 401, "Unauthorized");
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

/* The session a request is about, in its path or where its kind says. */
static const char *
session_of(const struct request *r, const struct route *route)
{
	if (route == NULL)
		return NULL;
	if (route->session_segment >= 0)
		return r->seg[route->session_segment];
	return r->gw->kind->session_of(r);
}

/* Whether the body says it is JSON, and is not. */
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
	r->gw->kind->refuse(r, 400, message.s);
	text_free(&message);
	return true;
}

void
api_run(struct request *r)
{
	const struct kind *kind = r->gw->kind;
	const struct route *route = route_find(kind->routes, kind->route_count, r);

	r->route = route != NULL ? route->pattern : "(none)";
	if (r->gw->down) {
		r->end = REQUEST_RESET;
		return;
	}
	if (r->too_big) {
		kind->refuse(r, 413, "request entity too large");
		return;
	}
	if (bad_json(r))
		return;
	r->session = session_of(r, route);
	if (any_fault(r) || !kind->admit(r, route))
		return;
	r->status = route->status;
	route->run(r);
}
