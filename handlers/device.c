/* GET /device/list and POST /device/logout: the user's devices, each a WhatsApp of his.
 * (POST /device/login shows a QR, and is the connect responder's.) */
#include "lib/device.h"
#include "lib/pool.h"
#include "lib/responder.h"

static void
list(struct app *app, struct request *rq, struct response *rs)
{
	struct err e = ERR_INIT;
	json_t *devices;
	struct user u;

	if (!auth_token(app, rq, &u, rs))
		return;
	devices = device_list(app, &u, rq->deadline, &e);
	if (devices != NULL)
		response_json(rs, 200,
			json_pack("{s:b, s:i, s:o}", "success", 1, "limit",
				app->config.device_limit, "devices", devices));
	else
		response_error(rs, rq, &e);
}

static void
log_out(struct app *app, struct request *rq, const struct user *u, const json_t *body,
	struct response *rs)
{
	bool forget = json_is_true(json_object_get(body, "remove")), known, ok;
	struct err e = ERR_INIT;
	const char *device;

	if (!device_of_body(rq, body, &device, rs))
		return;
	if (device == NULL) {
		response_invalid(rs, rq, "/device_id", MSG_WANT_DEVICE);
		return;
	}
	ok = forget ? device_remove(app, u, device, rq->deadline, &known, &e)
		    : pool_release(app, u, device, rq->deadline, &known, &e);
	if (!ok)
		response_error(rs, rq, &e);
	else if (!known)
		response_problem(rs, rq, PROBLEM_DEVICE_NOT_FOUND, NULL);
	else
		response_json(rs, 200,
			json_pack("{s:b, s:s, s:b, s:s}", "success", 1, "device_id",
				device, "removed", forget, "message",
				message_text(MSG_DEVICE_LOGGED_OUT, rq->lang)));
}

static void
logout(struct app *app, struct request *rq, struct response *rs)
{
	struct user u;
	json_t *body;

	if (!auth_user(app, rq, &u, rs))
		return;
	body = response_or_json(rs, rq, true);
	if (body != NULL)
		log_out(app, rq, &u, body, rs);
	json_decref(body);
}

static const struct route routes[] = {
	{"GET", "/device/list", 0, list},
	{"POST", "/device/logout", 4096, logout},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	static const struct responder self = {.name = "device",
		.threads = 4,
		.needs = APP_DB | APP_AUTH,
		.routes = routes};

	return responder_main(&self, argc, argv);
}
