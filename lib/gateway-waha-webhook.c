/*
 * WAHA's webhooks: how they are signed and what they say.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/gateway-waha-int.h"
#include "lib/hmac.h"
#include "lib/utf8.h"

bool
waha_claims(const struct request *rq)
{
	return request_header(rq, "X-Webhook-Hmac") != NULL;
}

/* The header is lower-case hex of HMAC-SHA512 over the raw body. */
bool
waha_signature_ok(const struct server *s, const struct request *rq)
{
	const char *sent = request_header(rq, "X-Webhook-Hmac");
	const char *algorithm = request_header(rq, "X-Webhook-Hmac-Algorithm");
	char hex[HMAC_SHA512_HEX_SIZE];

	if (sent == NULL || *s->webhook_secret == '\0' ||
		(algorithm != NULL && strcasecmp(algorithm, "sha512") != 0))
		return false;
	return hmac_sha512_hex(s->webhook_secret, strlen(s->webhook_secret),
		       buf_str(&rq->body), rq->body.len, hex) &&
		hmac_equal_hex(hex, sent);
}

/* The legacy status.instance speaks Evolution's words. */
static const char *
legacy_word(const char *status)
{
	static const char *const words[][2] = {{"connected", "WORKING"},
		{"open", "WORKING"}, {"qrcode", "SCAN_QR_CODE"},
		{"connecting", "STARTING"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i][0], status) == 0)
			return words[i][1];
	return status;
}

/* The newest entry of payload.statuses may be a millisecond older than the envelope. */
static int64_t
status_time(const json_t *payload, const char *status, int64_t fallback)
{
	const json_t *list = json_object_get(payload, "statuses");
	const json_t *last = json_array_get(list, json_array_size(list) - 1);
	const char *word = gateway_text(last, "status");
	const json_t *at = json_object_get(last, "timestamp");

	if (word == NULL || strcmp(word, status) != 0 || !json_is_integer(at))
		return fallback;
	return json_integer_value(at);
}

/* The generation as we wrote it; -1 if there is none, 0 (nobody's: ours begin with 1)
 * if it is no number. */
static int64_t
generation_of(const json_t *metadata)
{
	const char *text = gateway_text(metadata, WAHA_GENERATION);

	if (text == NULL)
		return -1;
	return text[strspn(text, "0123456789")] == '\0' ? strtoll(text, NULL, 10) : 0;
}

bool
waha_message_id(const char *id, char *out, size_t size)
{
	size_t n;

	*out = '\0';
	if (id == NULL)
		return false;
	if (strncmp(id, "true_", 5) == 0 || strncmp(id, "false_", 6) == 0) {
		id = strchr(id, '_') + 1;
		id += strcspn(id, "_");
		id += *id == '_';
	}
	n = strcspn(id, "_");
	if (n == 0 || n >= size || !utf8_valid(id, n))
		return false;
	memcpy(out, id, n);
	out[n] = '\0';
	return true;
}

/* What is said to this account is told as "message" and again as "message.any"; what is
 * written on it, as "message.any" only. */
static bool
is_message(const struct gateway_event *ev)
{
	return strcmp(ev->event, ev->from_me ? "message.any" : "message") == 0;
}

static void
parse_message(const json_t *payload, struct gateway_event *ev)
{
	const json_t *ack = json_object_get(payload, "ack");

	ev->from_me = json_is_true(json_object_get(payload, "fromMe"));
	if (is_message(ev))
		ev->kind = EVENT_MESSAGE;
	else if (strcmp(ev->event, "message.ack") == 0 && json_is_integer(ack))
		ev->kind = EVENT_ACK;
	else
		return;
	waha_message_id(
		gateway_text(payload, "id"), ev->message_id, sizeof(ev->message_id));
	ev->chat = gateway_text(payload, "from");
	if (ev->kind == EVENT_ACK) {
		ev->ack = (int)json_integer_value(ack);
		return;
	}
	ev->text = gateway_text(payload, "body");
	ev->media = gateway_text(json_object_get(payload, "media"), "url");
}

bool
waha_parse_webhook(const json_t *body, struct gateway_event *ev, struct err *e)
{
	const json_t *payload = json_object_get(body, "payload");
	const json_t *me = json_object_get(body, "me");
	const char *status = gateway_text(payload, "status");

	*ev = (struct gateway_event){.event = gateway_text(body, "event"),
		.id = gateway_text(body, "id"),
		.session = gateway_text(body, "session"),
		.at_ms = json_integer_value(json_object_get(body, "timestamp")),
		.generation = generation_of(json_object_get(body, "metadata")),
		.phone = gateway_text(me, "id"),
		.profile = gateway_text(me, "pushName")};
	if (ev->event == NULL || *ev->event == '\0' || strlen(ev->event) > 100)
		return err_set(e, ERR_INPUT, "a webhook needs an \"event\"");
	if (ev->session == NULL)
		ev->session = gateway_text(payload, "name");
	if (ev->session == NULL)
		ev->session = gateway_text(body, "instance");
	parse_message(payload, ev);
	if (status == NULL || *status == '\0' || strlen(status) > 50)
		return true;
	if (strcmp(ev->event, "session.status") == 0) {
		ev->kind = EVENT_STATUS;
		ev->status = status;
		ev->status_at_ms = status_time(payload, status, ev->at_ms);
	} else if (strcmp(ev->event, "status.instance") == 0) {
		ev->kind = EVENT_STATUS;
		ev->status = legacy_word(status);
		ev->status_at_ms = ev->at_ms;
		ev->released = strcmp(status, "disconnected") == 0;
	}
	return true;
}
