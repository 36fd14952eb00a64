/* GET /api/whatsapp/qr[?deviceId=]: the QR of this moment, as PNG or (by Accept) SVG, or as JSON
 * with how long it lasts. */
#include <string.h>

#include "lib/connection.h"
#include "lib/device.h"
#include "lib/log.h"
#include "lib/pool.h"
#include "lib/qr-life.h"
#include "lib/qr-run.h"
#include "lib/qr.h"
#include "lib/responder.h"
#include "lib/server.h"

#define JSON "application/json"
#define PNG "image/png"
#define SVG "image/svg+xml"

static bool
picture(const struct request *rq, const char *value, struct response *rs, struct err *e)
{
	bool svg = request_prefers(rq, SVG, PNG), ok;
	struct buf image;

	buf_init(&image, 1u << 20);
	ok = svg ? qr_svg(value, message_text(MSG_SCAN_QR, rq->lang), &image, e)
		 : qr_png(value, 0, &image, e);
	if (ok)
		response_bytes(rs, 200, svg ? SVG : PNG, buf_str(&image), image.len);
	buf_free(&image);
	return ok;
}

/* As connect shows it. */
static bool
document(const struct connection *c, const char *value, int64_t left_ms,
	struct response *rs, struct err *e)
{
	struct buf uri;
	json_t *o;
	bool ok;

	buf_init(&uri, 1u << 18);
	ok = qr_data_uri(value, &uri, e);
	if (ok) {
		o = json_pack("{s:b, s:s, s:s, s:s}", "success", 1, "qrCode",
			buf_str(&uri), "instanceName", c->name, "deviceId",
			c->device_id);
		qr_life_add(o, left_ms);
		response_json(rs, 200, o);
	}
	buf_free(&uri);
	return ok;
}

static void
render(struct app *app, const struct request *rq, const struct server *server,
	const struct connection *c, const char *value, struct response *rs)
{
	bool json = request_prefers(rq, JSON, PNG) && request_prefers(rq, JSON, SVG);
	struct err e = ERR_INIT;

	if (json ? document(c, value, qr_life(app, server, c->name, rq->deadline), rs,
			   &e)
		 : picture(rq, value, rs, &e))
		response_header(rs, "Vary", "Accept");
	else
		response_error(rs, rq, &e);
}

static enum problem
problem_of(const struct err *e)
{
	switch (e->code) {
	case ERR_NOT_FOUND:
	case ERR_CONFLICT:
		return PROBLEM_NO_QR;
	case ERR_TIMEOUT:
		return PROBLEM_GATEWAY_SLOW;
	default:
		return PROBLEM_GATEWAY;
	}
}

/* While a slow gateway is asked, the instance may be released, emptied and given to
 * another: what came then is his to scan. */
static bool
is_still_his(struct app *app, const struct request *rq, const struct user *u,
	const struct connection *c)
{
	struct connection now;

	return connection_get(app, u, c->device_id, rq->deadline, &now, NULL) &&
		now.assigned && strcmp(now.name, c->name) == 0 &&
		strcmp(now.server_id, c->server_id) == 0;
}

/* Looks at the state first: a QR that is not there takes WAHA 15 s to deny. */
static void
show(struct app *app, struct request *rq, const struct user *u,
	const struct connection *c, struct response *rs)
{
	struct err e = ERR_INIT;
	struct server *server = server_load(app, c->server_id, rq->deadline, &e);
	struct session session;
	struct buf value;

	buf_init(&value, 2000);
	if (server == NULL) {
		log_write(LOG_WARN, "qr.server", LOG_STR("server", c->server_id),
			LOG_STR("error", e.text));
		response_problem(rs, rq, PROBLEM_UNAVAILABLE, NULL);
		goto out;
	}
	if (server_gateway(server)->state(
		    app->http, server, c->name, &session, rq->deadline, &e) &&
		session.state != SESSION_SCAN)
		err_set(&e, ERR_CONFLICT, "no QR while %s", session.word);
	if (!err_isset(&e))
		qr_run(app, server, c->name, false, &value, rq->deadline, &e);
	if (err_isset(&e)) {
		log_write(LOG_INFO, "qr.none", LOG_STR("instance", c->name),
			LOG_STR("error", e.text));
		response_problem(rs, rq, problem_of(&e), NULL);
	} else if (!is_still_his(app, rq, u, c)) {
		response_problem(rs, rq, PROBLEM_NO_QR, NULL);
	} else {
		render(app, rq, server, c, buf_str(&value), rs);
	}
out:
	server_free(server);
	buf_free(&value);
}

static void
current_qr(struct app *app, struct request *rq, struct response *rs)
{
	char device[DEVICE_ID_SIZE];
	struct err e = ERR_INIT;
	struct connection c;
	struct user u;

	if (!auth_token(app, rq, &u, rs) || !device_of_query(rq, device, rs))
		return;
	if (!connection_get(
		    app, &u, *device != '\0' ? device : NULL, rq->deadline, &c, &e))
		response_error(rs, rq, &e);
	else if (!c.device_known)
		response_problem(rs, rq, PROBLEM_DEVICE_NOT_FOUND, NULL);
	else if (!c.assigned)
		response_problem(rs, rq, PROBLEM_NO_QR, NULL);
	else
		show(app, rq, &u, &c, rs);
}

static const struct route routes[] = {
	{"GET", "/api/whatsapp/qr", 0, current_qr},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	static const struct responder self = {.name = "qr",
		.threads = 16,
		.waits = true,
		.needs = APP_DB | APP_AUTH | APP_SEAL | APP_HTTP,
		.routes = routes};

	return responder_main(&self, argc, argv);
}
