#include "control.h"

#include "reply.h"
#include "route.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static const struct route routes[] = {
	{"GET", "/_sim", page_html, -1, 200},
	{"GET", "/_sim/page.js", page_js, -1, 200},
	{"GET", "/_sim/page.css", page_css, -1, 200},
	{"GET", "/_sim/sessions", control_list, -1, 200},
	{"POST", "/_sim/sessions/*/scan", control_scan, 2, 200},
	{"POST", "/_sim/sessions/*/drop", control_drop, 2, 200},
	{"POST", "/_sim/sessions/*/restore", control_restore, 2, 200},
	{"POST", "/_sim/sessions/*/logout", control_logout, 2, 200},
	{"POST", "/_sim/sessions/*/message", control_message, 2, 200},
	{"GET", "/_sim/kind", control_kind_get, -1, 200},
	{"PUT", "/_sim/kind", control_kind_put, -1, 200},
	{"POST", "/_sim/restart", control_restart, -1, 200},
	{"POST", "/_sim/reset", control_reset, -1, 200},
	{"GET", "/_sim/faults", control_faults_get, -1, 200},
	{"PUT", "/_sim/faults", control_faults_put, -1, 200},
	{"DELETE", "/_sim/faults", control_faults_delete, -1, 200},
	{"GET", "/_sim/stats", control_stats, -1, 200},
};

bool
control_is(const struct request *r)
{
	return r->segs > 0 && strcmp(r->seg[0], "_sim") == 0;
}

static bool
from_loopback(const struct request *r)
{
	const struct sockaddr *from =
		MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
			->client_addr;
	const struct sockaddr_in *in = (const void *)from;

	return from != NULL && from->sa_family == AF_INET &&
		ntohl(in->sin_addr.s_addr) >> 24 == 127;
}

/* Parse the body; a POST without one is {}. False: the answer (400) is made. */
static bool
parse(struct request *r)
{
	json_error_t why;
	struct text message = {0};

	if (r->raw.len == 0) {
		r->body = json_object();
		return true;
	}
	r->body = json_loadb(r->raw.s, r->raw.len, 0, &why);
	if (json_is_object(r->body))
		return true;
	text_addf(&message, "the body must be a JSON object: %s",
		r->body == NULL ? why.text : "it is something else");
	reply_control_error(r, 400, message.s);
	text_free(&message);
	return false;
}

void
control_run(struct request *r)
{
	const struct route *route =
		route_find(routes, sizeof routes / sizeof routes[0], r);

	r->route = route != NULL ? route->pattern : "/_sim/(none)";
	if (!from_loopback(r))
		reply_control_error(r, 403, "the control API is for loopback only");
	else if (route == NULL)
		reply_control_error(r, 404, "no such control call");
	else if (r->too_big)
		reply_control_error(r, 413, "the body is too big");
	else if (parse(r))
		route->run(r);
}

void
control_headers(const struct request *r, struct MHD_Response *response)
{
	if (!control_is(r))
		return;
	MHD_add_response_header(response, "Cache-Control", "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Content-Security-Policy",
		"default-src 'none'; script-src 'self'; style-src 'self'; "
		"connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
		"form-action 'none'");
	/* "/_sim" without its slash would break the page's relative addresses. */
	if (r->status == 302)
		MHD_add_response_header(response, "Location", "_sim/");
}
