/* GET /device/list and POST /device/logout: the user's devices, each a WhatsApp of his.
 * (POST /device/login shows a QR, and is the connect responder's.) */
#include <string.h>

#include "lib/db.h"
#include "lib/device.h"
#include "lib/pool.h"
#include "lib/responder.h"

/* A session that the gateway has not listed for minutes is not connected (lib/pool.c). */
static const struct db_stmt stmt_list = {"device_list",
	"SELECT d.id, d.nome, d.is_default, i.name, CASE WHEN i.missing_since <"
	" statement_timestamp() - interval '3 minutes' THEN 'MISSING' ELSE i.status "
	"END,"
	" i.phone_number, i.profile_name,"
	" to_char(i.last_connected_at AT TIME ZONE 'UTC', "
	"'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),"
	" to_char(d.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
	" FROM devices d LEFT JOIN instances i ON i.device_id = d.id"
	" WHERE d.user_id = active_user($1) ORDER BY d.created_at, d.id LIMIT 1000",
	1};

enum { ID, NOME, DEFAULT, NAME, STATUS, PHONE, PROFILE, LAST_CONNECTED, CREATED };

static json_t *
device_json(const PGresult *r, int row)
{
	const char *status = db_text(r, row, STATUS);
	bool connected = status != NULL && strcmp(status, "WORKING") == 0;

	return json_pack("{s:s, s:s?, s:b, s:b, s:s?, s:s?, s:s?, s:s?, s:s?, s:s}",
		"device_id", db_text(r, row, ID), "nome", db_text(r, row, NOME),
		"default", db_bool(r, row, DEFAULT), "connected", connected, "status",
		status, "instanceName", db_text(r, row, NAME), "phoneNumber",
		connected ? db_text(r, row, PHONE) : NULL, "profileName",
		connected ? db_text(r, row, PROFILE) : NULL, "lastConnectedAt",
		db_text(r, row, LAST_CONNECTED), "createdAt", db_text(r, row, CREATED));
}

static void
list(struct app *app, struct request *rq, struct response *rs)
{
	struct err e = ERR_INIT;
	json_t *devices;
	struct user u;
	PGresult *r;

	if (!auth_token(app, rq, &u, rs))
		return;
	r = db_query(app->db, rq->deadline, &stmt_list, (const char *[]){u.id}, &e);
	if (r == NULL) {
		response_error(rs, rq, &e);
		return;
	}
	devices = json_array();
	for (int row = 0; row < PQntuples(r); row++)
		json_array_append_new(devices, device_json(r, row));
	response_json(rs, 200,
		json_pack("{s:b, s:i, s:o}", "success", 1, "limit",
			app->config.device_limit, "devices", devices));
	PQclear(r);
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
		response_invalid(
			rs, rq, "/device_id", message_text(MSG_WANT_DEVICE, rq->lang));
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
