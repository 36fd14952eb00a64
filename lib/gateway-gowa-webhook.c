/*
 * GOWA's webhooks: how they are signed and what they say.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/gateway-gowa-int.h"
#include "lib/hmac.h"
#include "lib/utf8.h"

#define SCHEME "sha256="

bool
gowa_claims(const struct request *rq)
{
	return request_header(rq, "X-Hub-Signature-256") != NULL;
}

/* The header is "sha256=" and lower-case hex of HMAC-SHA256 over the raw body. Without a
 * secret of ours GOWA signs with the word "secret": that proves nothing. */
bool
gowa_signature_ok(const struct server *s, const struct request *rq)
{
	const char *sent = request_header(rq, "X-Hub-Signature-256");
	char hex[HMAC_SHA256_HEX_SIZE];

	if (sent == NULL || strncmp(sent, SCHEME, strlen(SCHEME)) != 0 ||
		*s->webhook_secret == '\0')
		return false;
	return hmac_sha256_hex(s->webhook_secret, strlen(s->webhook_secret),
		       buf_str(&rq->body), rq->body.len, hex) &&
		hmac_equal_hex(hex, sent + strlen(SCHEME));
}

/* Milliseconds of "2023-10-15T10:30:00Z" (RFC 3339, as Go writes it), 0 for all else. */
static int64_t
read_time(const char *text)
{
	struct tm tm = {0};
	int hours = 0, minutes = 0, used = 0;
	const char *rest;
	char sign = '\0';

	if (text == NULL || strlen(text) > 40 ||
		sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon,
			&tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) < 6 ||
		tm.tm_year < 2000 || used == 0)
		return 0;
	rest = text + used;
	if (*rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (strcmp(rest, "Z") != 0 &&
		(sscanf(rest, "%c%2d:%2d", &sign, &hours, &minutes) != 3 ||
			(sign != '+' && sign != '-')))
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	minutes += 60 * hours;
	return ((int64_t)timegm(&tm) - (sign == '-' ? -60 : 60) * (int64_t)minutes) *
		1000;
}

/* What is in a message besides text: a URL, by itself or in an object, if GOWA was told
 * to keep its files elsewhere; otherwise a path on its own disk, which is of no use. */
static const char *
media_of(const json_t *payload)
{
	static const char *const members[] = {
		"image", "video", "video_note", "audio", "document", "sticker"};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const json_t *m = json_object_get(payload, members[i]);
		const char *url = json_is_string(m) ? json_string_value(m)
						    : gateway_text(m, "url");

		if (url != NULL && strncmp(url, "http", 4) == 0)
			return url;
	}
	return NULL;
}

static void
read_id(const char *id, struct gateway_event *ev)
{
	if (id != NULL && strlen(id) < sizeof(ev->message_id))
		utf8_copy(ev->message_id, sizeof(ev->message_id), id);
}

static void
parse_message(const json_t *payload, struct gateway_event *ev)
{
	ev->kind = EVENT_MESSAGE;
	read_id(gateway_text(payload, "id"), ev);
	ev->from_me = json_is_true(json_object_get(payload, "is_from_me"));
	ev->text = gateway_text(payload, "body");
	ev->media = media_of(payload);
}

/* A receipt may be about several messages: it is told of the first. Receipts of our own
 * phone ("sender", "read-self", "inactive") are none. */
static void
parse_ack(const json_t *payload, struct gateway_event *ev)
{
	static const struct {
		const char *type;
		int ack;
	} types[] = {{"delivered", ACK_DEVICE}, {"", ACK_DEVICE}, {"read", ACK_READ},
		{"played", ACK_PLAYED}};
	const char *type = gateway_text(payload, "receipt_type");
	const json_t *ids = json_object_get(payload, "ids");

	for (size_t i = 0; type != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].type, type) == 0) {
			ev->kind = EVENT_ACK;
			ev->ack = types[i].ack;
			read_id(json_string_value(json_array_get(ids, 0)), ev);
		}
}

bool
gowa_parse_webhook(const json_t *body, struct gateway_event *ev, struct err *e)
{
	const json_t *payload = json_object_get(body, "payload");
	const char *at = gateway_text(body, "timestamp");

	/* No id: that of a message is also told by other devices in the same chat. What is
	 * sent again has the same body, which is what it is known by. */
	*ev = (struct gateway_event){.event = gateway_text(body, "event"),
		.session = gateway_text(body, "session_id"),
		.generation = -1,
		.chat = gateway_text(payload, "chat_id")};
	if (ev->event == NULL || *ev->event == '\0' || strlen(ev->event) > 100)
		return err_set(e, ERR_INPUT, "a webhook needs an \"event\"");
	ev->at_ms = read_time(at != NULL ? at : gateway_text(payload, "timestamp"));
	if (strcmp(ev->event, "message") == 0)
		parse_message(payload, ev);
	else if (strcmp(ev->event, "message.ack") == 0)
		parse_ack(payload, ev);
	return true;
}
