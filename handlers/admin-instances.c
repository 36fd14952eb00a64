/* /admin/instances: instances that administrators make by name (seed 003), and a look at all others. */
#include <stdio.h>
#include <string.h>

#include "lib/admin.h"
#include "lib/auth.h"
#include "lib/idempotency.h"
#include "lib/instance-query.h"
#include "lib/log.h"
#include "lib/phone.h"
#include "lib/qr.h"
#include "lib/responder.h"

#define ALL "/admin/instances"
#define TRAIL_PAGE 50 /* rows, unless ?limit= says another number */

#define PNG "image/png"
#define SVG "image/svg+xml"
#define JSON "application/json"

/* Who acts, for the trail. */
static const char *
actor_of(const struct user *u)
{
	return *u->email != '\0' ? u->email : u->id;
}

/* What an error about one instance is to its caller. */
static void
answer_error(const struct request *rq, const struct err *e, struct response *rs)
{
	if (e->code == ERR_NOT_FOUND)
		response_problem(rs, rq, PROBLEM_NOT_FOUND, NULL);
	else if (e->code == ERR_CONFLICT && e->sqlstate[0] == '\0')
		response_problem(rs, rq, PROBLEM_CONFLICT, NULL);
	else
		response_error(rs, rq, e);
}

/* The instance that the path names. One that is gone for good is not found. */
static bool
named(struct app *app, struct request *rq, struct user *u, struct instance *i,
	struct response *rs)
{
	struct err e = ERR_INIT;

	if (!auth_admin(app, rq, u, rs))
		return false;
	if (instance_get(app, rq->args[0], false, rq->deadline, i, &e) &&
		strcmp(i->lifecycle, "retired") == 0)
		err_set(&e, ERR_NOT_FOUND, "it is deleted");
	if (!err_isset(&e))
		return true;
	if (e.code == ERR_CONFLICT)
		response_problem(
			rs, rq, PROBLEM_CONFLICT, message_text(MSG_SEVERAL, rq->lang));
	else
		answer_error(rq, &e, rs);
	return false;
}

/* --- Lists --- */

static void
list(struct app *app, struct request *rq, struct response *rs)
{
	struct instance_page page = {0};
	struct instance_filter filter;
	struct err e = ERR_INIT;
	struct instance_query q;
	json_t *rows;
	struct user u;

	if (!auth_admin(app, rq, &u, rs) || !instance_query(rq, &q, &filter, rs))
		return;
	if (!instance_list(app, &filter, rq->deadline, &page, &e)) {
		if (e.code == ERR_INPUT)
			response_invalid(rs, rq, "/cursor", MSG_WANT_CURSOR);
		else
			response_error(rs, rq, &e);
	} else {
		rows = json_array();
		for (size_t i = 0; i < page.n; i++)
			json_array_append_new(rows, instance_json(&page.rows[i], true));
		if (*page.next != '\0')
			instance_link_next(rq, ALL, page.next, rs);
		response_json(rs, 200,
			json_pack("{s:o, s:o}", "instances", rows, "next",
				*page.next != '\0' ? json_string(page.next)
						   : json_null()));
	}
	instance_page_free(&page);
}

/* --- One --- */

static void
show(struct app *app, struct request *rq, struct response *rs)
{
	struct instance i;
	struct user u;

	if (named(app, rq, &u, &i, rs))
		response_json(rs, 200, instance_json(&i, true));
}

/* The members of seed 003, and ours. */
static json_t *
made_body(const struct connect_result *r, bool shown, enum lang lang, struct err *e)
{
	struct buf uri;
	json_t *o = NULL;

	buf_init(&uri, 1u << 18);
	if (!shown || qr_data_uri(buf_str(&r->show), &uri, e))
		o = json_pack("{s:s, s:o, s:s, s:s, s:s, s:s}", "nome", r->claim.name,
			"qrcode", shown ? json_string(buf_str(&uri)) : json_null(),
			"message",
			message_text(shown ? MSG_SCAN_TO_CONNECT : MSG_QR_LATER, lang),
			"id", r->claim.instance_id, "deviceId", r->claim.device_id,
			"serverId", r->claim.server_id);
	buf_free(&uri);
	return o;
}

static void
make(struct app *app, struct request *rq, const struct admin_wish *wish,
	struct response *rs)
{
	struct connect_result r = {0};
	struct err e = ERR_INIT;
	enum problem problem;
	json_t *body;
	bool shown;

	if (!admin_make(app, wish, rq->deadline, &r.claim, &problem, &e)) {
		log_write(LOG_WARN, "admin.failed", LOG_STR("kind", err_name(e.code)),
			LOG_STR("error", e.text));
		if (problem == PROBLEM_INVALID)
			response_invalid(rs, rq, "/server", MSG_WANT_SERVER);
		else
			response_problem(rs, rq, problem, NULL);
		return;
	}
	shown = admin_show(app, rq->deadline, &r, &problem, &e);
	if (!shown)
		log_write(LOG_WARN, "admin.no-qr", LOG_STR("instance", wish->name),
			LOG_STR("kind", err_name(e.code)), LOG_STR("error", e.text));
	if (!shown && problem == PROBLEM_UNAVAILABLE) {
		response_problem(rs, rq, problem, NULL);
	} else {
		err_clear(&e);
		body = made_body(&r, shown, rq->lang, &e);
		if (err_isset(&e))
			response_error(rs, rq, &e);
		else
			response_json(rs, 201, body);
	}
	connect_result_free(&r);
}

/* Text, absent or null; false if it is anything else. */
static bool
optional_text(const json_t *body, const char *name, const char **out)
{
	const json_t *v = json_object_get(body, name);

	*out = json_string_value(v);
	return v == NULL || json_is_null(v) || (*out != NULL && **out != '\0');
}

static bool
read_wish(const struct request *rq, const json_t *body, char number[PHONE_SIZE],
	struct admin_wish *wish, struct response *rs)
{
	const char *phone;

	wish->name = json_string_value(json_object_get(body, "nome"));
	if (!admin_name_valid(wish->name))
		response_invalid(rs, rq, "/nome", MSG_WANT_INSTANCE);
	else if (!optional_text(body, "server", &wish->server))
		response_invalid(rs, rq, "/server", MSG_WANT_SERVER);
	else if (!optional_text(body, "numero_telefone", &phone) ||
		(phone != NULL && !phone_digits(phone, number)))
		response_invalid(rs, rq, "/numero_telefone", MSG_WANT_NUMBER);
	else {
		wish->number = phone != NULL ? number : NULL;
		return true;
	}
	return false;
}

static void
create(struct app *app, struct request *rq, struct response *rs)
{
	struct admin_wish wish;
	struct idempotency id;
	char number[PHONE_SIZE];
	struct user u;
	json_t *body;

	if (!auth_admin(app, rq, &u, rs))
		return;
	rq->deadline = deadline_in(app->config.connect_deadline_ms);
	wish.actor = actor_of(&u);
	body = response_or_json(rs, rq, false);
	if (body != NULL && read_wish(rq, body, number, &wish, rs) &&
		idempotency_begin(app, rq, &u, ALL, &id, rs)) {
		make(app, rq, &wish, rs);
		idempotency_end(app, &id, rs);
	}
	json_decref(body);
}

/* --- The QR --- */

/* As a picture, or as JSON with the members that Evolution's own answer has (seed 003 hands it on). */
static void
answer_qr(const struct request *rq, const struct connect_result *r, struct response *rs)
{
	bool svg = request_prefers(rq, SVG, PNG);
	const char *value = buf_str(&r->show), *type = svg ? SVG : PNG;
	struct err e = ERR_INIT;
	struct buf out;
	bool picture = request_prefers(rq, type, JSON), ok;

	buf_init(&out, 1u << 20);
	if (!picture)
		ok = qr_data_uri(value, &out, &e);
	else if (svg)
		ok = qr_svg(
			value, message_text(MSG_SCAN_TO_CONNECT, rq->lang), &out, &e);
	else
		ok = qr_png(value, 0, &out, &e);
	response_header(rs, "Vary", "Accept");
	if (!ok)
		response_error(rs, rq, &e);
	else if (picture)
		response_bytes(rs, 200, type, buf_str(&out), out.len);
	else
		response_json(rs, 200,
			json_pack("{s:s, s:s, s:s, s:s, s:b, s:s}", "nome",
				r->claim.name, "qrcode", buf_str(&out), "base64",
				buf_str(&out), "code", value, "connected", 0, "message",
				message_text(MSG_SCAN_TO_CONNECT, rq->lang)));
	buf_free(&out);
}

static void
answer_connected(
	const struct request *rq, const struct connect_result *r, struct response *rs)
{
	response_json(rs, 200,
		json_pack("{s:s, s:n, s:b, s:s}", "nome", r->claim.name, "qrcode",
			"connected", 1, "message",
			message_text(MSG_ALREADY_CONNECTED, rq->lang)));
}

static void
qrcode(struct app *app, struct request *rq, struct response *rs)
{
	struct connect_result r = {0};
	struct err e = ERR_INIT;
	enum problem problem;
	struct instance i;
	struct user u;

	if (!named(app, rq, &u, &i, rs))
		return;
	rq->deadline = deadline_in(app->config.connect_deadline_ms);
	if (!admin_ask(app, &i, rq->deadline, &r.claim, &e)) {
		if (e.code == ERR_CONFLICT)
			response_problem(rs, rq, PROBLEM_CONFLICT,
				message_text(MSG_NOT_ADMINS, rq->lang));
		else
			response_error(rs, rq, &e);
		return;
	}
	if (!admin_show(app, rq->deadline, &r, &problem, &e)) {
		log_write(LOG_WARN, "admin.no-qr", LOG_STR("instance", i.name),
			LOG_STR("kind", err_name(e.code)), LOG_STR("error", e.text));
		response_problem(rs, rq, problem, NULL);
	} else if (!r.connected) {
		answer_qr(rq, &r, rs);
	} else if (request_prefers(rq, PNG, JSON)) {
		response_problem(rs, rq, PROBLEM_NO_QR, NULL);
	} else {
		answer_connected(rq, &r, rs);
	}
	connect_result_free(&r);
}

/* --- Commands --- */

static void
answer_command(const struct request *rq, struct instance *i, bool ok,
	const struct err *e, enum message m, struct response *rs)
{
	if (ok)
		response_json(rs, 200,
			json_pack("{s:s, s:s, s:s, s:s}", "nome", i->name, "status",
				instance_status(i), "gatewayStatus", i->status,
				"message", message_text(m, rq->lang)));
	else if (e->code == ERR_NOT_FOUND)
		response_problem(rs, rq, PROBLEM_CONFLICT,
			message_text(MSG_NO_SESSION, rq->lang));
	else if (e->code == ERR_CONFLICT && e->sqlstate[0] == '\0')
		response_problem(rs, rq, PROBLEM_CONFLICT, NULL);
	else if (e->sqlstate[0] != '\0')
		response_error(rs, rq, e);
	else
		response_problem(rs, rq,
			e->code == ERR_TIMEOUT ? PROBLEM_GATEWAY_SLOW : PROBLEM_GATEWAY,
			NULL);
}

static void
command(struct app *app, struct request *rq, enum admin_command what, const char *word,
	enum message m, struct response *rs)
{
	struct err e = ERR_INIT;
	struct idempotency id;
	struct instance i;
	char route[64];
	struct user u;
	bool ok;

	if (!named(app, rq, &u, &i, rs))
		return;
	rq->deadline = deadline_in(app->config.connect_deadline_ms);
	snprintf(route, sizeof(route), "%s %s", word, i.id);
	if (!idempotency_begin(app, rq, &u, route, &id, rs))
		return;
	ok = admin_command(app, &i, what, actor_of(&u), rq->deadline, &e);
	if (!ok)
		log_write(LOG_WARN, "admin.command", LOG_STR("instance", i.name),
			LOG_STR("command", word), LOG_STR("kind", err_name(e.code)),
			LOG_STR("error", e.text));
	answer_command(rq, &i, ok, &e, m, rs);
	idempotency_end(app, &id, rs);
}

static void
restart(struct app *app, struct request *rq, struct response *rs)
{
	command(app, rq, ADMIN_RESTART, "restart", MSG_RESTARTED, rs);
}

static void
logout(struct app *app, struct request *rq, struct response *rs)
{
	command(app, rq, ADMIN_LOGOUT, "logout", MSG_LOGGED_OUT, rs);
}

/* The helper logs out and deletes at the gateway; until then the name is taken. */
static void
remove_one(struct app *app, struct request *rq, struct response *rs)
{
	struct err e = ERR_INIT;
	struct instance i;
	bool released;
	struct user u;

	if (!named(app, rq, &u, &i, rs))
		return;
	if (strcmp(i.origin, "admin") != 0)
		response_problem(rs, rq, PROBLEM_CONFLICT,
			message_text(MSG_NOT_ADMINS, rq->lang));
	else if (!admin_release(app, &i, "deleted by an administrator", actor_of(&u),
			 rq->deadline, &released, &e))
		response_error(rs, rq, &e);
	else
		response_json(rs, 202,
			json_pack("{s:s, s:s}", "nome", i.name, "message",
				message_text(MSG_DELETED, rq->lang)));
}

/* Its owner loses it at once; the helper empties its session before anybody else gets it. */
static void
let_go(struct app *app, struct request *rq, const struct user *u,
	const struct instance *i, struct response *rs)
{
	struct err e = ERR_INIT;
	bool released;

	if (strcmp(i->lifecycle, "assigned") != 0)
		response_problem(rs, rq, PROBLEM_CONFLICT,
			message_text(MSG_NOT_ASSIGNED, rq->lang));
	else if (!admin_release(app, i, "released by hand", actor_of(u), rq->deadline,
			 &released, &e))
		response_error(rs, rq, &e);
	else if (!released) /* it has changed hands meanwhile */
		response_problem(rs, rq, PROBLEM_CONFLICT, NULL);
	else
		response_json(rs, 202,
			json_pack("{s:s, s:s}", "nome", i->name, "message",
				message_text(MSG_RELEASED, rq->lang)));
}

static void
release(struct app *app, struct request *rq, struct response *rs)
{
	struct idempotency id;
	struct instance i;
	char route[64];
	struct user u;

	if (!named(app, rq, &u, &i, rs))
		return;
	snprintf(route, sizeof(route), "release %s", i.id);
	if (!idempotency_begin(app, rq, &u, route, &id, rs))
		return;
	let_go(app, rq, &u, &i, rs);
	idempotency_end(app, &id, rs);
}

/* --- The trail --- */

/* ?limit= and ?cursor=. False: rs holds the 422. */
static bool
trail_query(const struct request *rq, char cursor[REQUEST_DIGITS_SIZE], int *limit,
	struct response *rs)
{
	*cursor = '\0';
	*limit = TRAIL_PAGE;
	if (!request_query_digits(rq, "cursor", cursor, REQUEST_DIGITS_SIZE))
		return response_invalid(rs, rq, "/cursor", MSG_WANT_CURSOR);
	return request_query_int(rq, "limit", 1, INSTANCE_PAGE_MAX, limit) ||
		response_invalid(rs, rq, "/limit", MSG_WANT_LIMIT);
}

static void
answer_events(struct request *rq, const struct instance *i,
	const struct instance_trail *t, struct response *rs)
{
	char path[REQUEST_ARG_MAX + 64];

	snprintf(path, sizeof(path), ALL "/%s/events", i->id);
	if (*t->next != '\0')
		instance_link_next(rq, path, t->next, rs);
	response_json(rs, 200,
		json_pack("{s:s, s:s, s:o, s:s?}", "nome", i->name, "id", i->id,
			"events", instance_trail_json(t), "next",
			*t->next != '\0' ? t->next : NULL));
}

/* Also of one that is gone, by a name that it had. */
static void
events(struct app *app, struct request *rq, struct response *rs)
{
	struct instance_trail t = {0};
	struct err e = ERR_INIT;
	struct instance i;
	char cursor[REQUEST_DIGITS_SIZE];
	struct user u;
	int limit;

	if (!auth_admin(app, rq, &u, rs) || !trail_query(rq, cursor, &limit, rs))
		return;
	if (instance_get(app, rq->args[0], true, rq->deadline, &i, &e) &&
		instance_trail_page(app, i.id, cursor, limit, rq->deadline, &t, &e))
		answer_events(rq, &i, &t, rs);
	else
		answer_error(rq, &e, rs);
	instance_trail_free(&t);
}

static const struct route routes[] = {
	{"GET", ALL, 0, list},
	{"POST", ALL, 4096, create},
	{"GET", "/admin/instances/{nome}", 0, show},
	{"DELETE", "/admin/instances/{nome}", 0, remove_one},
	{"GET", "/admin/instances/{nome}/qrcode", 0, qrcode},
	{"POST", "/admin/instances/{nome}/restart", 4096, restart},
	{"POST", "/admin/instances/{nome}/logout", 4096, logout},
	{"POST", "/admin/instances/{nome}/release", 4096, release},
	{"GET", "/admin/instances/{nome}/events", 0, events},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	static const struct responder self = {.name = "admin-instances",
		.threads = 8,
		.needs = APP_DB | APP_AUTH | APP_SEAL | APP_HTTP,
		.routes = routes};

	return responder_main(&self, argc, argv);
}
