/* POST /api/whatsapp/connect: the button. A QR (or a pairing code) for the user's
 * device, or the news that it is connected already.
 * POST /api/v1/whatsapp/setup: the same by seed 002's name, and told how it went.
 * POST /device/login: the same for one device of several, or for a new one. */
#include <string.h>

#include "lib/connect.h"
#include "lib/device.h"
#include "lib/health.h"
#include "lib/idempotency.h"
#include "lib/log.h"
#include "lib/phone.h"
#include "lib/qr-life.h"
#include "lib/qr.h"
#include "lib/responder.h"
#include "lib/utf8.h"

#define CONNECT "/api/whatsapp/connect"
#define SETUP "/api/v1/whatsapp/setup"
#define LOGIN "/device/login"

/* What the body asks for; the texts live in `body` and here. */
struct input {
	json_t *body;
	struct connect_wish wish;
	bool tell_health; /* seed 002's setup */
	bool may_add;     /* seed 004's login: without a device one is made... */
	const char *name; /* ...of that name, or NULL */
	char number[PHONE_SIZE];
};

static bool
read_method(const struct request *rq, struct input *in, struct response *rs)
{
	const json_t *method = json_object_get(in->body, "method");
	const char *word = method != NULL ? json_string_value(method) : "qr";
	const char *number =
		json_string_value(json_object_get(in->body, "phoneNumber"));

	if (word != NULL && strcmp(word, "qr") == 0)
		return true;
	if (word == NULL || strcmp(word, "code") != 0)
		return response_invalid(rs, rq, "/method", MSG_WANT_METHOD);
	if (!phone_digits(number, in->number))
		return response_invalid(rs, rq, "/phoneNumber", MSG_WANT_NUMBER);
	in->wish.number = in->number;
	return true;
}

static json_t *
connected_body(const struct connect_result *r, enum lang lang)
{
	json_t *o = json_pack("{s:b, s:b, s:s, s:s, s:s, s:s}", "success", 1,
		"connected", 1, "instanceName", r->claim.name, "deviceId",
		r->claim.device_id, "status", r->session.word, "message",
		message_text(MSG_ALREADY_CONNECTED, lang));

	if (*r->session.phone != '\0')
		json_object_set_new(o, "phoneNumber", json_string(r->session.phone));
	return o;
}

static json_t *
qr_body(const struct connect_result *r, enum lang lang, struct err *e)
{
	struct buf uri;
	json_t *o = NULL;

	buf_init(&uri, 1u << 18);
	if (qr_data_uri(buf_str(&r->show), &uri, e))
		o = json_pack("{s:b, s:s, s:s, s:s, s:s, s:s}", "success", 1, "method",
			"qr", "qrCode", buf_str(&uri), "instanceName", r->claim.name,
			"deviceId", r->claim.device_id, "message",
			message_text(MSG_SCAN_QR, lang));
	qr_life_add(o, r->life_ms);
	buf_free(&uri);
	return o;
}

static json_t *
code_body(const struct connect_result *r, enum lang lang)
{
	return json_pack("{s:b, s:s, s:s, s:s, s:s, s:s}", "success", 1, "method",
		"code", "pairingCode", buf_str(&r->show), "instanceName", r->claim.name,
		"deviceId", r->claim.device_id, "message",
		message_text(MSG_ENTER_CODE, lang));
}

/* Connected is healthy, waiting for a scan is disconnected: nothing else is ever shown. */
static json_t *
health_of_result(const struct connect_result *r)
{
	return json_pack("{s:s, s:b, s:b}", "state",
		health_name(r->connected ? HEALTH_HEALTHY : HEALTH_DISCONNECTED),
		"recovered", r->recovered, "cleaned", r->cleaned);
}

static void
answer(const struct request *rq, const struct input *in, const struct connect_result *r,
	struct response *rs)
{
	struct err e = ERR_INIT;
	json_t *body;

	if (r->connected)
		body = connected_body(r, rq->lang);
	else if (in->wish.number != NULL)
		body = code_body(r, rq->lang);
	else
		body = qr_body(r, rq->lang, &e);
	if (body != NULL && in->may_add) /* as seed 004's clients spell it */
		json_object_set_new(body, "device_id", json_string(r->claim.device_id));
	if (body != NULL && in->tell_health)
		json_object_set_new(body, "health", health_of_result(r));
	if (body == NULL && err_isset(&e))
		response_error(rs, rq, &e);
	else
		response_json(rs, 200, body);
}

/* Writes down what is shown and, in the same transaction, the answer to
 * its Idempotency-Key. *current is false if the assignment is over:
 * nothing may be shown. */
static bool
commit(struct app *app, const struct connect_result *r, const struct idempotency *id,
	const struct response *rs, bool *current, struct err *e)
{
	deadline_t d = deadline_in(app->config.db_timeout_ms);
	struct db_conn *c = db_get(app->db, d, e);
	bool both = id->active,
	     ok = false; /* one statement alone needs no transaction */

	if (c == NULL)
		return false;
	if ((!both || db_begin(c, d, e)) && connect_finish(c, r, d, current, e) &&
		(!*current || idempotency_store(app, c, id, rs, d, e)))
		ok = !both || db_commit(c, d, e);
	if (!ok)
		db_rollback(c, d);
	db_put(app->db, c);
	return ok;
}

static void
run(struct app *app, struct request *rq, const struct user *u, const struct input *in,
	const struct idempotency *id, struct response *rs)
{
	struct err e = ERR_INIT;
	struct connect_result r;
	enum problem problem;
	bool current = false;

	if (!connect_run(app, u, &in->wish, rq->deadline, &r, &problem, &e)) {
		if (err_isset(&e))
			log_write(LOG_WARN, "connect.failed",
				LOG_STR("instance", r.claim.name),
				LOG_STR("kind", err_name(e.code)),
				LOG_STR("error", e.text));
		response_problem(rs, rq, problem, NULL);
	} else {
		answer(rq, in, &r, rs);
		if (rs->status == 200 && !commit(app, &r, id, rs, &current, &e))
			response_error(rs, rq, &e);
		else if (rs->status == 200 && !current)
			response_problem(rs, rq, PROBLEM_UNAVAILABLE, NULL);
	}
	connect_result_free(&r);
}

/* The name that a new device is to have. False: it is none, and rs holds the 422. */
static bool
read_name(const struct request *rq, struct input *in, struct response *rs)
{
	const json_t *v = json_object_get(in->body, "nome");

	in->name = json_string_value(v);
	if (!in->may_add || v == NULL || json_is_null(v))
		return true;
	if (in->name != NULL && *in->name != '\0' &&
		utf8_length(in->name) <= DEVICE_NAME_MAX)
		return true;
	return response_invalid(rs, rq, "/nome", MSG_WANT_DEVICE_NAME);
}

/* Connects a device that is made for it, and taken back if that comes to nothing. */
static void
run_new(struct app *app, struct request *rq, const struct user *u, struct input *in,
	const struct idempotency *id, struct response *rs)
{
	char device[DEVICE_ID_SIZE];
	struct err e = ERR_INIT;

	if (!device_add(app, u, in->name, rq->deadline, device, &e)) {
		response_error(rs, rq, &e);
	} else if (*device == '\0') {
		response_problem(rs, rq, PROBLEM_DEVICE_LIMIT, NULL);
	} else {
		in->wish.device = device;
		run(app, rq, u, in, id, rs);
		if (rs->status >= 400)
			device_unmake(app, u, device);
	}
}

static void
serve(struct app *app, struct request *rq, const char *route, struct response *rs)
{
	struct input in = {.tell_health = strcmp(route, SETUP) == 0,
		.may_add = strcmp(route, LOGIN) == 0};
	struct idempotency id;
	struct user u;

	if (!auth_token(app, rq, &u, rs))
		return;
	rq->deadline = deadline_in(app->config.connect_deadline_ms);
	in.body = response_or_json(rs, rq, true);
	if (in.body != NULL && device_of_body(rq, in.body, &in.wish.device, rs) &&
		read_method(rq, &in, rs) && read_name(rq, &in, rs) &&
		idempotency_begin(app, rq, &u, route, &id, rs)) {
		if (in.may_add && in.wish.device == NULL)
			run_new(app, rq, &u, &in, &id, rs);
		else
			run(app, rq, &u, &in, &id, rs);
		if (rs->status >= 400) /* a success is stored already */
			idempotency_end(app, &id, rs);
	}
	json_decref(in.body);
}

static void
connect_device(struct app *app, struct request *rq, struct response *rs)
{
	serve(app, rq, CONNECT, rs);
}

static void
setup_device(struct app *app, struct request *rq, struct response *rs)
{
	serve(app, rq, SETUP, rs);
}

static void
log_in_device(struct app *app, struct request *rq, struct response *rs)
{
	serve(app, rq, LOGIN, rs);
}

static const struct route routes[] = {
	{"POST", CONNECT, 4096, connect_device},
	{"POST", SETUP, 4096, setup_device},
	{"POST", LOGIN, 4096, log_in_device},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	/* a thread waits for its gateway most of the time */
	static const struct responder self = {.name = "connect",
		.threads = 48,
		.waits = true,
		.needs = APP_DB | APP_AUTH | APP_SEAL | APP_HTTP,
		.routes = routes};

	return responder_main(&self, argc, argv);
}
