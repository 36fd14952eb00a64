#include "gowa.h"

#include "api.h"
#include "kind.h"
#include "session.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static const struct route routes[] = {
	{"GET", "/health", gowa_health, -1, 200},
	{"GET", "/statics/qrcode/*", gowa_picture, -1, 200},
	{"GET", "/app/info", gowa_info, -1, 200},
	{"GET", "/devices", gowa_devices_list, -1, 200},
	{"POST", "/devices", gowa_device_create, -1, 200},
	{"GET", "/devices/*", gowa_device_get, 1, 200},
	{"DELETE", "/devices/*", gowa_device_delete, 1, 200},
	{"GET", "/devices/*/login", gowa_login, 1, 200},
	{"POST", "/devices/*/login/code", gowa_login_code, 1, 200},
	{"POST", "/devices/*/logout", gowa_logout, 1, 200},
	{"POST", "/devices/*/reconnect", gowa_reconnect, 1, 200},
	{"GET", "/devices/*/status", gowa_status, 1, 200},
	{"GET", "/devices/*/webhook", gowa_webhook_get, 1, 200},
	{"PATCH", "/devices/*/webhook", gowa_webhook_set, 1, 200},
	{"POST", "/send/message", gowa_send, -1, 200},
};

/* Basic auth with the key "user:password"; health and pictures are for all. */
static bool
authorized(const struct request *r)
{
	const char *given = request_header(r, "Authorization"), *key = api_key();
	char *encoded;
	bool ok;

	if (key == NULL ||
		(r->segs > 0 &&
			(strcmp(r->seg[0], "health") == 0 ||
				strcmp(r->seg[0], "statics") == 0)))
		return true;
	if (given == NULL || strncmp(given, "Basic ", 6) != 0)
		return false;
	encoded = malloc(strlen(key) * 4 / 3 + 8);
	if (encoded == NULL)
		abort();
	EVP_EncodeBlock(
		(unsigned char *)encoded, (const unsigned char *)key, (int)strlen(key));
	ok = strcmp(encoded, given + 6) == 0;
	free(encoded);
	return ok;
}

static bool
admit(struct request *r, const struct route *route)
{
	struct text message = {0};

	if (!authorized(r)) {
		gowa_reply_status(r, 401, "");
		return false;
	}
	if (route != NULL)
		return true;
	text_addf(&message, "Cannot %s %s", r->method, r->path);
	gowa_reply_text(r, 404, message.s);
	text_free(&message);
	return false;
}

static const char *
session_of(const struct request *r)
{
	const char *name = request_header(r, "X-Device-Id");

	return name != NULL ? name : request_string(r, "device_id");
}

const char *
gowa_state(const struct session *s)
{
	if (s->status == STATUS_WORKING)
		return "logged_in";
	if (s->status == STATUS_SCAN_QR_CODE ||
		(s->status == STATUS_STARTING && !s->network_down))
		return "connected";
	return "disconnected";
}

void
gowa_add_jid(struct text *out, const struct session *s, bool bare)
{
	if (s->linked && s->phone != NULL)
		text_addf(out, "%s%s@s.whatsapp.net", s->phone, bare ? "" : ":7");
}

const struct kind kind_gowa = {
	.name = "gowa",
	.routes = routes,
	.route_count = sizeof routes / sizeof routes[0],
	.admit = admit,
	.session_of = session_of,
	.refuse = gowa_reply_status,
	.entered = gowa_event_entered,
	.message = gowa_event_message,
	.ack = gowa_event_ack,
	.user_domain = "@s.whatsapp.net",
	.qr_first_ms = 60000,
	.qr_next_ms = 20000,
	.qr_max = 6,
	.starting_max = 0,
	.fails_unlinked = true,
};
