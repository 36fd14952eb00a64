/* POST /api/whatsapp/disconnect: gives the device's instance back. Idempotent. */
#include "lib/device.h"
#include "lib/pool.h"
#include "lib/responder.h"

static void
release(struct app *app, struct request *rq, const struct user *u, const char *device,
	struct response *rs)
{
	struct err e = ERR_INIT;
	bool known;

	if (!pool_release(app, u, device, rq->deadline, &known, &e))
		response_error(rs, rq, &e);
	else if (!known)
		response_problem(rs, rq, PROBLEM_DEVICE_NOT_FOUND, NULL);
	else
		response_json(rs, 200,
			json_pack("{s:b, s:s}", "success", 1, "message",
				message_text(MSG_DISCONNECTED, rq->lang)));
}

static void
disconnect(struct app *app, struct request *rq, struct response *rs)
{
	const char *device;
	struct user u;
	json_t *body;

	if (!auth_user(app, rq, &u, rs))
		return;
	body = response_or_json(rs, rq, true);
	if (body != NULL && device_of_body(rq, body, &device, rs))
		release(app, rq, &u, device, rs);
	json_decref(body);
}

static const struct route routes[] = {
	{"POST", "/api/whatsapp/disconnect", 4096, disconnect},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	static const struct responder self = {.name = "disconnect",
		.threads = 4,
		.needs = APP_DB | APP_AUTH,
		.routes = routes};

	return responder_main(&self, argc, argv);
}
