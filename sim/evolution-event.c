/* Evolution's webhooks: one POST for each event, authenticated by whatever headers the
   instance was given. Version 1 sends no headers, and tries once. */
#include "evolution.h"

#include "clock.h"
#include "fault.h"
#include "kind.h"
#include "png.h"
#include "session.h"
#include "webhook.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ATTEMPTS 10
#define DELAY_MS 5000
#define DELAY_MAX_MS 300000
#define LOCAL_S (-3 * 3600) /* America/Sao_Paulo, where most of them stand */

/* Refusals that it takes for an answer. */
static bool
is_final(long status)
{
	return status == 400 || status == 401 || status == 403 || status == 404 ||
		status == 422;
}

/* Whether the webhook's list, in UPPER_SNAKE, asks for it; an empty one asks for all. */
static bool
wants(const json_t *hook, const char *event)
{
	const json_t *events = json_object_get(hook, "events"), *one;
	char upper[40];
	size_t i;

	snprintf(upper, sizeof upper, "%s", event);
	for (i = 0; upper[i] != '\0'; i++)
		upper[i] = upper[i] == '.' ? '_' : (char)toupper(upper[i]);
	json_array_foreach(events, i, one)
		if (strcmp(json_string_value(one), upper) == 0)
			return true;
	return json_array_size(events) == 0;
}

/* Local time that claims to be UTC, as theirs does. */
static void
local_time(char *out, size_t size)
{
	int64_t ms = clock_wall_ms();
	time_t at = (time_t)(ms / 1000 + LOCAL_S);
	struct tm tm;
	size_t n;

	gmtime_r(&at, &tm);
	n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, size - n, ".%03dZ", (int)(ms % 1000));
}

static void
add_envelope(const struct session *s, const json_t *hook, const char *event,
	const char *data, struct text *out)
{
	const char *owner = evolution_get(s, "owner");
	char now[40];

	local_time(now, sizeof now);
	text_addf(out, "{\"event\":\"%s\",\"instance\":", event);
	text_json(out, s->name);
	text_addf(out, ",\"data\":%s,\"destination\":", data);
	text_json(out, json_string_value(json_object_get(hook, "url")));
	text_addf(out, ",\"date_time\":\"%s\",", now);
	if (owner != NULL)
		text_addf(out, "\"sender\":\"%s\",", owner);
	text_add(out, "\"server_url\":\"http://localhost:8080\",\"apikey\":");
	text_json(out, evolution_get(s, "token"));
	text_add(out, "}");
}

void
evolution_event(
	struct gateway *gw, struct session *s, const char *event, const char *data)
{
	const json_t *hook = json_object_get(s->own, "webhook");
	json_t *headers = json_object_get(hook, "headers"), *value;
	bool v1 = evolution_is_v1(gw);
	struct text body = {0}, named = {0};
	struct hook how = {.attempts = v1 ? 1 : ATTEMPTS,
		.delay_ms = DELAY_MS,
		.delay_max_ms = DELAY_MAX_MS,
		.policy = RETRY_EXPONENTIAL,
		.final = is_final};
	const char *key;

	how.url = json_string_value(json_object_get(hook, "url"));
	if (how.url == NULL || !json_is_true(json_object_get(hook, "enabled")) ||
		!wants(hook, event) ||
		fault_roll(gw, FAULT_SILENT, s->name, NULL) != NULL)
		return;
	webhook_header(&how.headers, "Accept", "application/json, text/plain, */*");
	webhook_header(&how.headers, "Content-Type", "application/json");
	webhook_header(&how.headers, "User-Agent", "axios/1.13.2");
	if (!v1)
		json_object_foreach(headers, key, value)
			webhook_header(&how.headers, key, json_string_value(value));
	text_add(&named, "{\"instanceName\":");
	text_json(&named, s->name);
	text_addf(&named, ",\"instanceId\":\"%s\"}", evolution_get(s, "id"));
	add_envelope(s, hook, event, data != NULL ? data : named.s, &body);
	webhook_queue(gw, s->name, &how, &body);
	curl_slist_free_all(how.headers);
	text_free(&named);
	text_free(&body);
}

static void
tell_connection(struct gateway *gw, struct session *s, const char *state, int reason)
{
	const char *owner = evolution_get(s, "owner");
	struct text data = {0};

	text_add(&data, "{\"instance\":");
	text_json(&data, s->name);
	if (strcmp(state, "open") == 0) {
		text_addf(&data, ",\"wuid\":\"%s\",\"profileName\":", owner);
		text_json(&data, s->push_name);
		text_add(&data, ",\"profilePictureUrl\":null");
	}
	text_addf(&data, ",\"state\":\"%s\",\"statusReason\":%d}", state, reason);
	evolution_event(gw, s, "connection.update", data.s);
	text_free(&data);
}

/* Eight characters, without the dash that others show. */
static json_t *
pairing_code(struct session *s)
{
	const char *code;
	char plain[12];

	if (evolution_get(s, "number") == NULL)
		return json_null();
	code = session_pairing_code(s);
	snprintf(plain, sizeof plain, "%.4s%s", code, code + 5);
	return json_string(plain);
}

static json_t *
picture(const char *qr)
{
	struct text image = {0}, url = {0};
	unsigned char *encoded;
	json_t *v;

	png_draw(qr, &image);
	encoded = malloc(image.len * 4 / 3 + 8);
	if (encoded == NULL)
		abort();
	EVP_EncodeBlock(encoded, (const unsigned char *)image.s, (int)image.len);
	text_addf(&url, "data:image/png;base64,%s", (char *)encoded);
	v = json_string(url.s);
	free(encoded);
	text_free(&image);
	text_free(&url);
	return v;
}

static void
tell_qr(struct gateway *gw, struct session *s)
{
	json_int_t count = json_integer_value(json_object_get(s->own, "count")) + 1;
	json_t *qr = json_pack("{s:o, s:s, s:o, s:I}", "pairingCode", pairing_code(s),
		"code", s->qr, "base64", picture(s->qr), "count", count);
	json_t *data = json_pack("{s:{s:s, s:O, s:O, s:O}}", "qrcode", "instance",
		s->name, "pairingCode", json_object_get(qr, "pairingCode"), "code",
		json_object_get(qr, "code"), "base64", json_object_get(qr, "base64"));
	char *dumped = json_dumps(data, JSON_COMPACT);

	json_object_set_new(s->own, "count", json_integer(count));
	json_object_set_new(s->own, "qr", qr);
	evolution_event(gw, s, "qrcode.updated", dumped);
	free(dumped);
	json_decref(data);
}

static void
tell_logout(struct gateway *gw, struct session *s)
{
	struct text data = {0};

	json_object_set_new(s->own, "reason", json_integer(401));
	text_add(&data, "{\"instance\":");
	text_json(&data, s->name);
	text_add(&data, ",\"status\":\"closed\",\"disconnectionReasonCode\":401}");
	evolution_event(gw, s, "status.instance", data.s);
	evolution_event(gw, s, "logout.instance", "null");
	tell_connection(gw, s, "close", 401);
	text_free(&data);
}

static void
tell_limit(struct gateway *gw, struct session *s)
{
	tell_connection(gw, s, "refused", 428);
	evolution_event(gw, s, "qrcode.updated",
		"{\"message\":\"QR code limit reached, please login "
		"again\",\"statusCode\":500}");
}

/* The row of the database follows, but not everywhere: after the limit of QRs it goes
   on saying "connecting", and while reconnecting "open". */
void
evolution_entered(struct gateway *gw, struct session *s, int64_t at)
{
	struct text owner = {0};
	char now[32];

	(void)at;
	clock_iso(now, sizeof now);
	if (s->status == STATUS_STARTING) {
		if (s->network_down && evolution_is_v1(gw))
			tell_connection(gw, s, "close", 408);
		tell_connection(gw, s, "connecting", 200);
	} else if (s->status == STATUS_SCAN_QR_CODE) {
		evolution_set(s, "db", "connecting");
		evolution_set(s, "updatedAt", now);
		tell_qr(gw, s);
	} else if (s->status == STATUS_WORKING) {
		text_addf(&owner, "%s@s.whatsapp.net", s->phone);
		evolution_set(s, "db", "open");
		evolution_set(s, "owner", owner.s);
		evolution_set(s, "profile", s->push_name);
		evolution_set(s, "updatedAt", now);
		text_free(&owner);
		tell_connection(gw, s, "open", 200);
	} else if (s->why == WHY_LOGGED_OUT) {
		evolution_set(s, "db", "close");
		evolution_set(s, "updatedAt", now);
		tell_logout(gw, s);
	} else if (s->why == WHY_QR_LIMIT) {
		tell_limit(gw, s);
	}
}

void
evolution_add_message(
	const struct session *s, const struct message *m, struct text *out)
{
	text_addf(out,
		"{\"key\":{\"remoteJid\":\"%s\",\"fromMe\":%s,\"id\":\"%s\"},"
		"\"pushName\":\"%s\",\"status\":\"%s\",\"message\":{\"conversation\":",
		m->chat, m->from_me ? "true" : "false", m->id,
		m->from_me ? "Voc\xc3\xaa" : "Peer",
		m->from_me ? "PENDING" : "DELIVERY_ACK");
	text_json(out, m->text);
	text_addf(out,
		"},\"messageType\":\"conversation\",\"messageTimestamp\":%lld,"
		"\"instanceId\":\"%s\",\"source\":\"%s\"}",
		(long long)(m->at / 1000), evolution_get(s, "id"),
		m->from_me ? "web" : "ios");
}

void
evolution_message(struct gateway *gw, struct session *s, const struct message *m)
{
	struct text data = {0};

	evolution_add_message(s, m, &data);
	evolution_event(gw, s, m->from_me ? "send.message" : "messages.upsert", data.s);
	text_free(&data);
}

void
evolution_ack(struct gateway *gw, struct session *s, const struct message *m)
{
	static const char *const words[] = {
		"PENDING", "SERVER_ACK", "DELIVERY_ACK", "READ"};
	struct text data = {0};

	if (evolution_is_v1(gw)) {
		text_addf(&data,
			"{\"remoteJid\":\"%s\",\"fromMe\":true,\"id\":\"%s\","
			"\"status\":\"%s\",\"datetime\":%lld,\"owner\":",
			m->chat, m->id, words[m->ack], (long long)clock_wall_ms());
		text_json(&data, s->name);
		text_add(&data, "}");
	} else {
		text_addf(&data,
			"{\"keyId\":\"%s\",\"remoteJid\":\"%s\",\"fromMe\":true,"
			"\"participant\":null,\"status\":\"%s\",\"instanceId\":\"%s\"}",
			m->id, m->chat, words[m->ack], evolution_get(s, "id"));
	}
	evolution_event(gw, s, "messages.update", data.s);
	text_free(&data);
}
