/*
 * Evolution's webhooks: how they are known to be an instance's, and what they say.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/gateway-evolution-int.h"
#include "lib/hmac.h"
#include "lib/utf8.h"

#define QUARTER_MS 900000 /* all time zones are whole quarters of an hour */
#define AHEAD_MS 120000   /* that a gateway's clock may be ahead of ours */

bool
evolution_token(
	const struct server *s, const char *name, char out[EVOLUTION_TOKEN_SIZE])
{
	char mac[HMAC_SHA512_HEX_SIZE];

	*out = '\0';
	if (*s->webhook_secret == '\0' ||
		!hmac_sha512_hex(s->webhook_secret, strlen(s->webhook_secret), name,
			strlen(name), mac))
		return false;
	snprintf(out, EVOLUTION_TOKEN_SIZE, "%s.%.32s", s->pool_id, mac);
	return true;
}

bool
evolution_is_final(json_int_t reason)
{
	return reason == 401 || reason == 402 || reason == 403 || reason == 406;
}

/* Compared as fingerprints: the time then tells nothing of where they differ. */
static bool
same_secret(const char *a, const char *b)
{
	char x[SHA256_HEX_SIZE], y[SHA256_HEX_SIZE];

	return sha256_hex(a, strlen(a), x) && sha256_hex(b, strlen(b), y) &&
		hmac_equal_hex(x, y);
}

bool
evolution_claims(const struct request *rq)
{
	const char *body = buf_str(&rq->body);
	static const char key[] = "\"apikey\":\"", token[] = EVOLUTION_URL_TOKEN;

	return request_header(rq, EVOLUTION_HEADER) != NULL ||
		memmem(body, rq->body.len, key, sizeof(key) - 1) != NULL ||
		memmem(body, rq->body.len, token, sizeof(token) - 1) != NULL;
}

/* The token in the address that the event was sent to, or NULL. */
static const char *
url_token(const json_t *body)
{
	const char *url = gateway_text(body, "destination");
	const char *at = url != NULL ? strstr(url, EVOLUTION_URL_TOKEN) : NULL;

	return at != NULL ? at + strlen(EVOLUTION_URL_TOKEN) : NULL;
}

/* v1 sends no headers of ours, but the instance's key in the body, and its address. */
static bool
has_token(const struct server *s, const struct request *rq)
{
	char want[EVOLUTION_TOKEN_SIZE];
	json_t *body = request_json(rq, false, NULL);
	const char *name = gateway_text(body, "instance");
	const char *key = gateway_text(body, "apikey"), *token = url_token(body);
	bool ok = name != NULL && evolution_token(s, name, want) &&
		((key != NULL && same_secret(key, want)) ||
			(token != NULL && same_secret(token, want)));

	json_decref(body);
	return ok;
}

bool
evolution_signature_ok(const struct server *s, const struct request *rq)
{
	const char *sent = request_header(rq, EVOLUTION_HEADER);

	if (*s->webhook_secret == '\0')
		return false;
	if (sent != NULL)
		return same_secret(sent, s->webhook_secret);
	return strncmp(s->version, "1.", 2) == 0 && has_token(s, rq);
}

/*
 * date_time is the gateway's local time with a false Z. Its zone is a whole number of
 * quarters of an hour, so that the newest reading that is not in the future is right
 * for whatever comes within some ten minutes. 0 if there is none.
 */
static int64_t
event_time(const char *text, int64_t now)
{
	struct tm tm = {0};
	int64_t at, age;
	int ms = 0;

	if (text == NULL ||
		sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3d", &tm.tm_year, &tm.tm_mon,
			&tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms) != 7)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	at = (int64_t)timegm(&tm) * 1000 + ms;
	age = (now + AHEAD_MS - at) % QUARTER_MS;
	if (age < 0)
		age += QUARTER_MS;
	return now + AHEAD_MS - age;
}

static int64_t
generation_of(const json_t *body)
{
	const char *url = gateway_text(body, "destination");
	const char *text = url != NULL ? strstr(url, EVOLUTION_GENERATION) : NULL;

	if (text == NULL)
		return -1;
	text += strlen(EVOLUTION_GENERATION);
	/* "by events" appends the event's name */
	return strchr("&", text[strspn(text, "0123456789")]) != NULL
		? strtoll(text, NULL, 10)
		: 0;
}

static void
set_status(struct gateway_event *ev, const char *status)
{
	ev->kind = EVENT_STATUS;
	ev->status = status;
	ev->status_at_ms = ev->at_ms;
}

/* "connecting" also begins a pairing; its QR follows. A close that is not for good is
 * followed by a reconnection. */
static void
parse_connection(const json_t *data, struct gateway_event *ev)
{
	const char *state = gateway_text(data, "state");
	json_int_t reason = json_integer_value(json_object_get(data, "statusReason"));

	if (state == NULL || *state == '\0' || strlen(state) > 50)
		return;
	ev->phone = gateway_text(data, "wuid");
	ev->profile = gateway_text(data, "profileName");
	if (strcmp(state, "open") == 0)
		set_status(ev, "WORKING");
	else if (strcmp(state, "connecting") == 0)
		set_status(ev, "STARTING");
	else if (strcmp(state, "refused") == 0)
		set_status(ev, "FAILED");
	else if (strcmp(state, "close") == 0)
		set_status(ev, evolution_is_final(reason) ? "FAILED" : "STARTING");
	else
		set_status(ev, state);
}

static void
parse_instance_status(const json_t *data, struct gateway_event *ev)
{
	const char *status = gateway_text(data, "status");

	if (status == NULL)
		return;
	if (strcmp(status, "closed") == 0) {
		set_status(ev, "FAILED");
	} else if (strcmp(status, "disconnected") == 0) {
		set_status(ev, status);
		ev->released = true;
	}
}

static void
parse_qr(const json_t *data, struct gateway_event *ev)
{
	const char *code = gateway_text(json_object_get(data, "qrcode"), "code");

	if (code != NULL && *code != '\0') {
		set_status(ev, "SCAN_QR_CODE");
		ev->kind = EVENT_QR;
		ev->qr = code;
	} else if (json_is_integer(json_object_get(data, "statusCode"))) {
		set_status(ev, "FAILED"); /* the limit of QRs is reached */
	}
}

static void
copy_id(const char *id, struct gateway_event *ev)
{
	if (id != NULL && strlen(id) < sizeof(ev->message_id))
		utf8_copy(ev->message_id, sizeof(ev->message_id), id);
}

/* What a message says, wherever its kind keeps it; wrappers hold another message. */
static const char *
text_of(const json_t *message, int depth)
{
	static const char *const wrappers[] = {"ephemeralMessage", "viewOnceMessage",
		"viewOnceMessageV2", "documentWithCaptionMessage", "editedMessage"};
	static const char *const captions[] = {
		"imageMessage", "videoMessage", "documentMessage"};
	const char *text = gateway_text(message, "conversation");
	const json_t *inner;

	if (text == NULL)
		text = gateway_text(
			json_object_get(message, "extendedTextMessage"), "text");
	for (size_t i = 0; text == NULL && i < sizeof(captions) / sizeof(*captions);
		i++)
		text = gateway_text(json_object_get(message, captions[i]), "caption");
	for (size_t i = 0;
		text == NULL && depth < 3 && i < sizeof(wrappers) / sizeof(*wrappers);
		i++) {
		inner = json_object_get(message, wrappers[i]);
		inner = json_object_get(inner, "message");
		text = inner != NULL ? text_of(inner, depth + 1) : NULL;
	}
	return text;
}

static void
parse_message(const json_t *data, struct gateway_event *ev)
{
	const json_t *key = json_object_get(data, "key");
	const json_t *message = json_object_get(data, "message");

	if (gateway_text(key, "id") == NULL)
		return;
	ev->kind = EVENT_MESSAGE;
	copy_id(gateway_text(key, "id"), ev);
	ev->chat = gateway_text(key, "remoteJid");
	ev->from_me = json_is_true(json_object_get(key, "fromMe"));
	ev->text = text_of(message, 0);
	ev->media = gateway_text(message, "mediaUrl");
}

static void
parse_ack(const json_t *data, struct gateway_event *ev)
{
	static const struct {
		const char *word;
		int ack;
	} words[] = {{"ERROR", ACK_ERROR}, {"PENDING", ACK_PENDING},
		{"SERVER_ACK", ACK_SERVER}, {"DELIVERY_ACK", ACK_DEVICE},
		{"READ", ACK_READ}, {"PLAYED", ACK_PLAYED}};
	const char *status = gateway_text(data, "status");

	for (size_t i = 0; status != NULL && i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(words[i].word, status) != 0)
			continue;
		ev->kind = EVENT_ACK;
		ev->ack = words[i].ack;
		copy_id(gateway_text(data, "keyId"), ev);
		if (*ev->message_id == '\0') /* version 1 */
			copy_id(gateway_text(data, "id"), ev);
		ev->chat = gateway_text(data, "remoteJid");
		ev->from_me = json_is_true(json_object_get(data, "fromMe"));
	}
}

bool
evolution_parse_webhook(const json_t *body, struct gateway_event *ev, struct err *e)
{
	static const struct {
		const char *event;
		void (*parse)(const json_t *data, struct gateway_event *);
	} parsers[] = {{"connection.update", parse_connection},
		{"status.instance", parse_instance_status},
		{"qrcode.updated", parse_qr}, {"messages.upsert", parse_message},
		{"send.message", parse_message}, {"messages.update", parse_ack}};
	const json_t *data = json_object_get(body, "data");

	*ev = (struct gateway_event){.event = gateway_text(body, "event"),
		.session = gateway_text(body, "instance"),
		.at_ms = event_time(gateway_text(body, "date_time"), clock_wall_ms()),
		.generation = generation_of(body)};
	if (ev->event == NULL || *ev->event == '\0' || strlen(ev->event) > 100)
		return err_set(e, ERR_INPUT, "a webhook needs an \"event\"");
	for (size_t i = 0; i < sizeof(parsers) / sizeof(*parsers); i++)
		if (strcmp(parsers[i].event, ev->event) == 0)
			parsers[i].parse(data, ev);
	return true;
}

/* The instance's key is good for all its calls, a QR or a code for the whole account. */
void
evolution_redact(json_t *body)
{
	json_t *qr = json_object_get(json_object_get(body, "data"), "qrcode");
	const char *url = gateway_text(body, "destination"), *token = url_token(body);

	json_object_del(body, "apikey");
	if (token != NULL)
		json_object_set_new(body, "destination",
			json_stringn(url,
				(size_t)(token - url) - strlen(EVOLUTION_URL_TOKEN)));
	json_object_del(qr, "code");
	json_object_del(qr, "base64");
	json_object_del(qr, "pairingCode");
}
