/* GET /api/whatsapp/my-connection[?deviceId=]: connected or not, from
 * the database alone. */
#include <string.h>

#include "lib/device.h"
#include "lib/pool.h"
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
my_connection(struct app *app, struct request *rq, struct response *rs)
{
	char device[DEVICE_ID_SIZE];
	struct err e = ERR_INIT;
	struct connection c;
	struct user u;

	if (!auth_token(app, rq, &u, rs) || !device_of_query(rq, device, rs))
		return;
	if (!pool_connection(
		    app, &u, *device != '\0' ? device : NULL, rq->deadline, &c, &e))
		response_error(rs, rq, &e);
	else if (!c.device_known)
		response_problem(rs, rq, PROBLEM_DEVICE_NOT_FOUND, NULL);
	else if (c.assigned && strcmp(c.status, "WORKING") == 0)
		response_json(rs, 200, connected_body(&c));
	else
		response_json(rs, 200, unconnected_body(&c, rq->lang));
}

static const struct route routes[] = {
	{"GET", "/api/whatsapp/my-connection", 0, my_connection},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	static const struct responder self = {.name = "my-connection",
		.threads = 4,
		.needs = APP_DB | APP_AUTH,
		.routes = routes};

	return responder_main(&self, argc, argv);
}
