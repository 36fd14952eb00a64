/* GET /metrics: for Prometheus. Who may read it is nginx's business (wapool-metrics-allow.conf). */
#include "lib/metrics.h"
#include "lib/responder.h"

static void
metrics(struct app *app, struct request *rq, struct response *rs)
{
	enum metrics_format f =
		request_prefers(rq, "application/openmetrics-text", "text/plain")
		? METRICS_OPENMETRICS
		: METRICS_TEXT;
	struct err e = ERR_INIT;
	struct buf text;

	buf_init(&text, RESPONSE_MAX);
	if (metrics_write(app, f, rq->deadline, &text, &e))
		response_bytes(
			rs, 200, metrics_content_type(f), buf_str(&text), text.len);
	else
		response_error(rs, rq, &e);
	buf_free(&text);
}

static const struct route routes[] = {
	{"GET", "/metrics", 0, metrics},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	static const struct responder self = {
		.name = "metrics", .threads = 2, .needs = APP_DB, .routes = routes};

	return responder_main(&self, argc, argv);
}
