#include "evolution.h"

#include "api.h"
#include "kind.h"
#include "reply.h"
#include "session.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COMMON                                                                         \
	{"GET", "/", evolution_hello, -1, 200},                                        \
		{"POST", "/instance/create", evolution_create, -1, 201},               \
		{"GET", "/instance/connect/*", evolution_connect, 2, 200},             \
		{"GET", "/instance/connectionState/*", evolution_connection_state, 2,  \
			200},                                                          \
		{"DELETE", "/instance/logout/*", evolution_logout, 2, 200},            \
		{"DELETE", "/instance/delete/*", evolution_delete, 2, 200},            \
		{"GET", "/instance/fetchInstances", evolution_list, -1, 200},          \
		{"POST", "/message/sendText/*", evolution_send_text, 2, 201},          \
		{"POST", "/webhook/set/*", evolution_webhook_set, 2, 201},             \
	{                                                                              \
		"GET", "/webhook/find/*", evolution_webhook_find, 2, 200               \
	}

static const struct route v1_routes[] = {
	COMMON, {"PUT", "/instance/restart/*", evolution_restart, 2, 200}};

static const struct route v2_routes[] = {COMMON,
	{"POST", "/instance/restart/*", evolution_restart, 2, 200},
	{"POST", "/verify-creds", evolution_verify, -1, 200}};

bool
evolution_is_v1(const struct gateway *gw)
{
	return gw->kind == &kind_evolution1;
}

const char *
evolution_state(const struct session *s)
{
	if (json_object_get(s->own, "gone") != NULL)
		return NULL;
	switch (s->status) {
	case STATUS_WORKING:
		return "open";
	case STATUS_STARTING:
		/* reconnecting, it mostly reads close */
		return s->network_down ? "close" : "connecting";
	case STATUS_SCAN_QR_CODE:
		return "connecting";
	default:
		return "close";
	}
}

void
evolution_set(struct session *s, const char *member, const char *value)
{
	json_object_set_new(
		s->own, member, value != NULL ? json_string(value) : json_null());
}

const char *
evolution_get(const struct session *s, const char *member)
{
	return json_string_value(json_object_get(s->own, member));
}

void
evolution_fail(struct request *r, unsigned status, const char *message)
{
	reply_begin(r, status);
	text_addf(&r->out,
		"{\"status\":%u,\"error\":\"%s\",\"response\":{\"message\":%s}}",
		status, status == 401 ? "Unauthorized" : reply_reason(status), message);
}

void
evolution_refuse(struct request *r, unsigned status, const char *format, ...)
{
	struct text list = {0};
	char line[400];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof line, format, ap);
	va_end(ap);
	text_add(&list, "[");
	text_json(&list, line);
	text_add(&list, "]");
	evolution_fail(r, status, list.s);
	text_free(&list);
}

static void
refuse(struct request *r, unsigned status, const char *message)
{
	if (status == 401)
		evolution_fail(r, 401, "\"Unauthorized\"");
	else
		evolution_refuse(r, status, "%s", message);
}

/* The global key, or the instance's own where there is one. */
static bool
authorized(const struct request *r, const struct session *s)
{
	const char *given = request_header(r, "apikey"), *own;

	if (api_key() == NULL || (given != NULL && strcmp(given, api_key()) == 0))
		return true;
	own = s != NULL ? evolution_get(s, "token") : NULL;
	return given != NULL && own != NULL && strcmp(given, own) == 0;
}

/* The order of the guards is: does it exist, is the name in use, and only then: may
   you. */
static bool
admit(struct request *r, const struct route *route)
{
	const struct session *s =
		r->session != NULL ? request_session(r, r->session) : NULL;

	if (route == NULL) {
		evolution_refuse(r, 404, "Cannot %s %s", r->method, r->path);
	} else if (route->run == evolution_hello) {
		return true;
	} else if (route->session_segment >= 0 && s == NULL) {
		evolution_refuse(
			r, 404, "The \"%s\" instance does not exist", r->session);
	} else if (route->run == evolution_create && s != NULL) {
		evolution_refuse(
			r, 403, "This name \"%s\" is already in use.", r->session);
	} else if (!authorized(r, route->session_segment >= 0 ? s : NULL)) {
		refuse(r, 401, NULL);
	} else {
		return true;
	}
	return false;
}

static const char *
session_of(const struct request *r)
{
	const char *name = request_string(r, "instanceName");

	return name != NULL ? name : request_query(r, "instanceName");
}

/* What both versions have in common. */
#define EVOLUTION(word, table)                                                         \
	{                                                                              \
		.name = (word), .routes = (table),                                     \
		.route_count = sizeof(table) / sizeof(table)[0], .admit = admit,       \
		.session_of = session_of, .refuse = refuse,                            \
		.entered = evolution_entered, .message = evolution_message,            \
		.ack = evolution_ack, .user_domain = "@s.whatsapp.net",                \
		.qr_first_ms = 45000, .qr_next_ms = 45000, .qr_max = 30                \
	}

const struct kind kind_evolution1 = EVOLUTION("evolution1", v1_routes);
const struct kind kind_evolution2 = EVOLUTION("evolution2", v2_routes);
