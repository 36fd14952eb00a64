#include "waha-event.h"

#include "fault.h"
#include "gateway.h"
#include "ids.h"
#include "session.h"
#include "text.h"
#include "waha.h"
#include "webhook.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
waha_event_add_environment(const struct gateway *gw, struct text *out)
{
	text_addf(out,
		"{\"version\":\"" WAHA_VERSION "\",\"engine\":\"NOWEB\","
		"\"tier\":\"CORE\",\"browser\":null,\"platform\":\"linux/x64\","
		"\"worker\":{\"id\":\"%s\"}}",
		gw->name);
}

/* Whether a webhook's `events` ask for this one. */
static bool
wants(const json_t *hook, const char *event)
{
	const json_t *one;
	const char *name;
	size_t i;

	json_array_foreach(json_object_get(hook, "events"), i, one) {
		name = json_string_value(one);
		if (name != NULL &&
			(strcmp(name, "*") == 0 || strcmp(name, event) == 0))
			return true;
	}
	return false;
}

#define DEFAULT_ATTEMPTS 15
#define DEFAULT_DELAY_S 2

static void
add_custom_headers(struct curl_slist **list, const json_t *hook)
{
	const json_t *one;
	const char *name, *value;
	size_t i;

	json_array_foreach(json_object_get(hook, "customHeaders"), i, one) {
		name = json_string_value(json_object_get(one, "name"));
		value = json_string_value(json_object_get(one, "value"));
		if (name != NULL && value != NULL && strpbrk(name, "\r\n:") == NULL &&
			strpbrk(value, "\r\n") == NULL)
			webhook_header(list, name, value);
	}
}

/* A number from 0 to max, or what it is by default. */
static double
number(const json_t *given, double by_default, double max)
{
	double value = json_is_number(given) ? json_number_value(given) : by_default;

	return value < 0 ? 0 : value > max ? max : value;
}

static void
take_retries(struct hook *how, const json_t *retries)
{
	const json_t *attempts = json_object_get(retries, "attempts");
	const json_t *delay = json_object_get(retries, "delaySeconds");
	const char *policy = json_string_value(json_object_get(retries, "policy"));

	how->attempts = (int)number(attempts, DEFAULT_ATTEMPTS, 1000);
	how->delay_ms = (int64_t)(number(delay, DEFAULT_DELAY_S, 86400) * 1000);
	how->policy = RETRY_CONSTANT;
	if (policy != NULL && strcmp(policy, "linear") == 0)
		how->policy = RETRY_LINEAR;
	else if (policy != NULL && strcmp(policy, "exponential") == 0)
		how->policy = RETRY_EXPONENTIAL;
}

/* Give the event to that webhook, a member of config.webhooks. */
static void
queue(struct gateway *gw, const struct session *s, const json_t *hook,
	const struct text *body, int64_t at)
{
	const json_t *hmac = json_object_get(hook, "hmac");
	struct hook how = {.url = json_string_value(json_object_get(hook, "url")),
		.key = json_string_value(json_object_get(hmac, "key")),
		.sign_header = "X-Webhook-Hmac: ",
		.digest = EVP_sha512};
	char request_id[IDS_REQUEST_SIZE], stamp[24];

	take_retries(&how, json_object_get(hook, "retries"));
	ids_request(request_id);
	snprintf(stamp, sizeof stamp, "%lld", (long long)at);
	webhook_header(&how.headers, "Accept", "application/json, text/plain, */*");
	webhook_header(&how.headers, "Content-Type", "application/json");
	webhook_header(&how.headers, "Accept-Encoding", "gzip, compress, deflate, br");
	webhook_header(&how.headers, "User-Agent", "WAHA/" WAHA_VERSION);
	add_custom_headers(&how.headers, hook);
	webhook_header(&how.headers, "X-Webhook-Request-Id", request_id);
	webhook_header(&how.headers, "X-Webhook-Timestamp", stamp);
	if (how.key != NULL)
		webhook_header(&how.headers, "X-Webhook-Hmac-Algorithm", "sha512");
	webhook_queue(gw, s->name, &how, body);
	curl_slist_free_all(how.headers);
}

static void
add_metadata(const json_t *config, struct text *out)
{
	const json_t *metadata = json_object_get(config, "metadata");
	char *dumped;

	if (!json_is_object(metadata))
		return;
	dumped = json_dumps(metadata, JSON_COMPACT);
	text_addf(out, "\"metadata\":%s,", dumped);
	free(dumped);
}

/* Give one event to the webhooks that want it. */
static void
deliver(struct gateway *gw, const struct session *s, const json_t *config,
	const char *id, const char *event, int64_t at, const char *payload)
{
	struct text body = {0};
	const json_t *hook;
	size_t i;

	json_array_foreach(json_object_get(config, "webhooks"), i, hook) {
		if (!wants(hook, event))
			continue;
		if (body.len == 0) {
			text_addf(&body,
				"{\"id\":\"evt_%s\",\"timestamp\":%lld,\"event\":\"%"
				"s\","
				"\"session\":\"%s\",",
				id, (long long)at, event, s->name);
			add_metadata(config, &body);
			text_add(&body, "\"me\":");
			waha_add_me(s, &body);
			text_addf(&body,
				",\"payload\":%s,\"engine\":\"NOWEB\","
				"\"environment\":",
				payload);
			waha_event_add_environment(gw, &body);
			text_add(&body, "}");
		}
		queue(gw, s, hook, &body, at);
	}
	text_free(&body);
}

void
waha_event_emit(struct gateway *gw, struct session *s, const char *event,
	const char *also, int64_t at, const char *payload)
{
	char id[IDS_ULID_SIZE];
	json_t *config;

	if (!s->has_webhooks || fault_roll(gw, FAULT_SILENT, s->name, NULL) != NULL)
		return;
	config = json_loads(s->config, 0, NULL);
	ids_ulid(id, at);
	deliver(gw, s, config, id, event, at, payload);
	if (also != NULL)
		deliver(gw, s, config, id, also, at, payload);
	json_decref(config);
}

void
waha_event_status(struct gateway *gw, struct session *s, int64_t at)
{
	struct text payload = {0};
	unsigned i;

	if (!s->has_webhooks)
		return;
	text_addf(&payload, "{\"name\":\"%s\",\"status\":\"%s\",\"statuses\":[",
		s->name, status_name(s->status));
	for (i = 0; i < s->history_count; i++)
		text_addf(&payload, "%s{\"status\":\"%s\",\"timestamp\":%lld}",
			i > 0 ? "," : "", status_name(s->history[i].status),
			(long long)s->history[i].at);
	text_add(&payload, "]}");
	waha_event_emit(gw, s, "session.status", NULL, at, payload.s);
	text_free(&payload);
}
