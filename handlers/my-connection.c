/* GET /api/whatsapp/my-connection[?deviceId=]: connected or not, from
 * the database alone. */
#include <string.h>

#include "lib/connection.h"
#include "lib/db.h"
#include "lib/device.h"
#include "lib/log.h"
#include "lib/responder.h"

static json_t *
connected_body(const struct connection *c)
{
	json_t *o = json_pack("{s:b, s:b, s:s, s:s, s:s}", "success", 1, "connected", 1,
		"instanceName", c->name, "status", c->status, "deviceId", c->device_id);

	if (*c->phone != '\0')
		json_object_set_new(o, "phoneNumber", json_string(c->phone));
	if (*c->profile != '\0')
		json_object_set_new(o, "profileName", json_string(c->profile));
	return o;
}

static json_t *
unconnected_body(const struct connection *c, enum lang lang)
{
	json_t *o = json_pack("{s:b, s:b, s:s}", "success", 1, "connected", 0,
		"message", message_text(MSG_NOT_CONNECTED, lang));

	if (c->assigned) { /* a QR may be on somebody's screen */
		json_object_set_new(o, "instanceName", json_string(c->name));
		json_object_set_new(o, "status", json_string(c->status));
	}
	if (*c->device_id != '\0')
		json_object_set_new(o, "deviceId", json_string(c->device_id));
	return o;
}

static void
answer(const struct request *rq, const struct connection *c, struct response *rs)
{
	struct err e = ERR_INIT;

	if (c->disabled) {
		err_set(&e, ERR_UNAUTHORIZED, "the account is disabled");
		response_error(rs, rq, &e);
	} else if (!c->device_known) {
		response_problem(rs, rq, PROBLEM_DEVICE_NOT_FOUND, NULL);
	} else if (c->assigned && strcmp(c->status, "WORKING") == 0) {
		response_json(rs, 200, connected_body(c));
	} else {
		response_json(rs, 200, unconnected_body(c, rq->lang));
	}
}

/* One of several callers. */
struct caller {
	struct call *call;
	struct user user;
	char device[DEVICE_ID_SIZE];
};

static bool
identify(struct app *app, struct call *call, struct caller *out)
{
	log_request_id(call->rq->id);
	out->call = call;
	return auth_token(app, call->rq, &out->user, call->rs) &&
		device_of_query(call->rq, out->device, call->rs);
}

/* Pages ask this again and again: those who ask at the same time share a statement. */
static void
my_connections(struct app *app, struct call *calls, size_t n)
{
	struct connection_ask asks[RESPONDER_AT_ONCE];
	struct caller callers[RESPONDER_AT_ONCE];
	struct err e = ERR_INIT;
	size_t known = 0;
	bool ok;

	for (size_t i = 0; i < n; i++)
		if (identify(app, &calls[i], &callers[known])) {
			asks[known].user = &callers[known].user;
			asks[known].device = db_param_text(callers[known].device);
			known++;
		}
	log_request_id(NULL);
	ok = known > 0 && connection_load(app, asks, known, calls[0].rq->deadline, &e);
	for (size_t i = 0; i < known; i++) {
		struct call *call = callers[i].call;

		log_request_id(call->rq->id);
		if (ok)
			answer(call->rq, &asks[i].found, call->rs);
		else
			response_error(call->rs, call->rq, &e);
	}
}

static const struct route routes[] = {
	{"GET", "/api/whatsapp/my-connection", 0, NULL},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	static const struct responder self = {.name = "my-connection",
		.threads = 2,
		.needs = APP_DB | APP_AUTH,
		.routes = routes,
		.run_all = my_connections};

	return responder_main(&self, argc, argv);
}
