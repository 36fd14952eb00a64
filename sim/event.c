#include "event.h"

#include "fault.h"
#include "gateway.h"
#include "ids.h"
#include "session.h"
#include "text.h"
#include "webhook.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

void
event_add_environment(const struct gateway *gw, struct text *out)
{
	text_addf(out,
		"{\"version\":\"" GATEWAY_VERSION "\",\"engine\":\"NOWEB\","
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

	json_array_foreach(json_object_get(hook, "events"), i, one)
	{
		name = json_string_value(one);
		if (name != NULL &&
			(strcmp(name, "*") == 0 || strcmp(name, event) == 0))
			return true;
	}
	return false;
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

	json_array_foreach(json_object_get(config, "webhooks"), i, hook)
	{
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
			session_add_me(s, &body);
			text_addf(&body,
				",\"payload\":%s,\"engine\":\"NOWEB\","
				"\"environment\":",
				payload);
			event_add_environment(gw, &body);
			text_add(&body, "}");
		}
		webhook_queue(gw, s->name, hook, &body, at);
	}
	text_free(&body);
}

void
event_emit(struct gateway *gw, struct session *s, const char *event, const char *also,
	int64_t at, const char *payload)
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
event_status(struct gateway *gw, struct session *s, int64_t at)
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
	event_emit(gw, s, "session.status", NULL, at, payload.s);
	text_free(&payload);
}
