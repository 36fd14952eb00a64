/* Webhooks: messages and receipts; nothing of connections. */
#include "gowa.h"

#include "fault.h"
#include "gateway.h"
#include "session.h"
#include "webhook.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Nothing is told. But of what a restart of the process starts again, only what is
   paired comes back: a pairing run dies with the process it was begun in. */
void
gowa_event_entered(struct gateway *gw, struct session *s, int64_t at)
{
	(void)at;
	if (s->status == STATUS_STARTING && !s->linked &&
		json_integer_value(json_object_get(s->own, "run")) !=
			(json_int_t)gw->epoch)
		session_stop(gw, s);
}

static const char *
own_text(const struct session *s, const char *member)
{
	const char *text = json_string_value(json_object_get(s->own, member));

	return text != NULL ? text : "";
}

/* Whether the event is in the device's list "a,b,c"; an empty list has all. */
static bool
wants(const struct session *s, const char *event)
{
	const char *list = own_text(s, "webhook_events");
	size_t n;

	if (*list == '\0')
		return true;
	for (; *list != '\0'; list += n + (list[n] == ',')) {
		n = strcspn(list, ",");
		if (n == strlen(event) && strncmp(list, event, n) == 0)
			return true;
	}
	return false;
}

static void
add_time(struct text *out, int64_t at)
{
	time_t seconds = (time_t)(at / 1000);
	char stamp[24];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &tm);
	text_addf(out, "\"timestamp\":\"%s\"", stamp);
}

static void
tell(struct gateway *gw, struct session *s, const char *event, int64_t at,
	const char *payload)
{
	const char *secret = own_text(s, "webhook_secret");
	struct hook how = {.url = own_text(s, "webhook_url"),
		.key = *secret != '\0' ? secret : "secret",
		.sign_header = "X-Hub-Signature-256: sha256=",
		.digest = EVP_sha256,
		.attempts = 5,
		.delay_ms = 1000,
		.policy = RETRY_EXPONENTIAL};
	struct text body = {0};

	if (!s->has_webhooks || !wants(s, event) ||
		fault_roll(gw, FAULT_SILENT, s->name, NULL) != NULL)
		return;
	webhook_header(&how.headers, "Content-Type", "application/json");
	webhook_header(&how.headers, "User-Agent", "Go-http-client/1.1");
	text_addf(&body, "{\"event\":\"%s\",\"device_id\":\"", event);
	gowa_add_jid(&body, s, true);
	text_add(&body, "\",\"session_id\":");
	text_json(&body, s->name);
	if (strcmp(event, "message") != 0) {
		text_add(&body, ",");
		add_time(&body, at);
	}
	text_addf(&body, ",\"payload\":%s}", payload);
	webhook_queue(gw, s->name, &how, &body);
	text_free(&body);
	curl_slist_free_all(how.headers);
}

/* What is sent through the API is not told. */
void
gowa_event_message(struct gateway *gw, struct session *s, const struct message *m)
{
	struct text payload = {0};

	if (m->from_me)
		return;
	text_addf(&payload, "{\"id\":\"%s\",\"chat_id\":", m->id);
	text_json(&payload, m->chat);
	text_add(&payload, ",\"from\":");
	text_json(&payload, m->chat);
	text_add(&payload, ",\"from_name\":\"Peer\",");
	add_time(&payload, m->at);
	text_add(&payload, ",\"is_from_me\":false,\"body\":");
	text_json(&payload, m->text);
	text_add(&payload, "}");
	tell(gw, s, "message", m->at, payload.s);
	text_free(&payload);
}

void
gowa_event_ack(struct gateway *gw, struct session *s, const struct message *m)
{
	struct text payload = {0};

	if (m->ack < 2) /* the server's own is no receipt */
		return;
	text_addf(&payload, "{\"ids\":[\"%s\"],\"chat_id\":", m->id);
	text_json(&payload, m->chat);
	text_add(&payload, ",\"from\":");
	text_json(&payload, m->chat);
	text_addf(&payload, ",\"receipt_type\":\"%s\"}",
		m->ack == 2 ? "delivered" : "read");
	tell(gw, s, "message.ack", m->at, payload.s);
	text_free(&payload);
}
