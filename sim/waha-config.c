#include "waha-config.h"

#include "session.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const config_keys[] = {"metadata", "proxy", "debug", "ignore",
	"client", "noweb", "gows", "webjs", "webhooks", NULL};
static const char *const hook_keys[] = {
	"url", "events", "hmac", "retries", "customHeaders", NULL};

static const char *const events[] = {"session.status", "message", "message.reaction",
	"message.any", "message.ack", "message.ack.group", "message.waiting",
	"message.revoked", "message.edited", "state.change", "group.join",
	"group.leave", "group.v2.join", "group.v2.leave", "group.v2.update",
	"group.v2.participants", "presence.update", "poll.vote", "poll.vote.failed",
	"chat.archive", "call.received", "call.accepted", "call.rejected",
	"label.upsert", "label.deleted", "label.chat.added", "label.chat.deleted",
	"event.response", "event.response.failed", "engine.event", "*", NULL};

static bool
is_one_of(const char *s, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcmp(s, *list) == 0)
			return true;
	return false;
}

void
waha_config_problem(struct text *problems, const char *format, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof line, format, ap);
	va_end(ap);
	if (problems->len > 0)
		text_add(problems, ",");
	text_json(problems, line);
}

/* Copy the known, non-null members of `from` into a new object. */
static json_t *
only(const json_t *from, const char *const *keys)
{
	json_t *to = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)from, key, value) {
		if (is_one_of(key, keys) && !json_is_null(value))
			json_object_set(to, key, value);
	}
	return to;
}

static bool
is_url(const json_t *v)
{
	const char *url = json_string_value(v);
	const char *host;

	if (url == NULL || strpbrk(url, " \r\n\t") != NULL)
		return false;
	if (strncmp(url, "http://", 7) == 0)
		host = url + 7;
	else if (strncmp(url, "https://", 8) == 0)
		host = url + 8;
	else
		return false;
	return strcspn(host, "/?#") > 0;
}

static void
check_events(const json_t *list, size_t at, struct text *problems)
{
	const json_t *one;
	size_t i;

	if (!json_is_array(list)) {
		waha_config_problem(
			problems, "config.webhooks.%zu.events must be an array", at);
		return;
	}
	json_array_foreach(list, i, one) {
		if (!json_is_string(one) ||
			!is_one_of(json_string_value(one), events)) {
			waha_config_problem(problems,
				"config.webhooks.%zu.each value in events must be one "
				"of the following values: session.status, message, "
				"message.any, message.ack, state.change, *",
				at);
			return;
		}
	}
}

static void
check_retries(const json_t *retries, size_t at, struct text *problems)
{
	static const char *const policies[] = {
		"constant", "linear", "exponential", NULL};
	const json_t *policy = json_object_get(retries, "policy");
	const json_t *delay = json_object_get(retries, "delaySeconds");
	const json_t *attempts = json_object_get(retries, "attempts");

	if (policy != NULL &&
		(!json_is_string(policy) ||
			!is_one_of(json_string_value(policy), policies)))
		waha_config_problem(problems,
			"config.webhooks.%zu.retries.policy must be one of the "
			"following values: linear, exponential, constant",
			at);
	if (delay != NULL && !json_is_number(delay))
		waha_config_problem(problems,
			"config.webhooks.%zu.retries.delaySeconds must be a number "
			"conforming to the specified constraints",
			at);
	if (attempts != NULL && !json_is_number(attempts))
		waha_config_problem(problems,
			"config.webhooks.%zu.retries.attempts must be a number "
			"conforming to the specified constraints",
			at);
}

static json_t *
clean_hooks(const json_t *hooks, struct text *problems)
{
	json_t *clean = json_array();
	const json_t *hook;
	size_t i;

	if (!json_is_array(hooks)) {
		waha_config_problem(problems, "config.webhooks must be an array");
		return clean;
	}
	json_array_foreach(hooks, i, hook) {
		if (!json_is_object(hook)) {
			waha_config_problem(problems,
				"config.each value in nested property webhooks must be "
				"either object or array");
			continue;
		}
		if (!is_url(json_object_get(hook, "url")))
			waha_config_problem(problems,
				"config.webhooks.%zu.url must be a URL address", i);
		check_events(json_object_get(hook, "events"), i, problems);
		check_retries(json_object_get(hook, "retries"), i, problems);
		json_array_append_new(clean, only(hook, hook_keys));
	}
	return clean;
}

char *
waha_config_clean(const json_t *config, struct text *problems, bool *has_webhooks)
{
	const json_t *hooks = json_object_get(config, "webhooks");
	const json_t *metadata = json_object_get(config, "metadata");
	json_t *clean;
	char *dumped;

	*has_webhooks = false;
	if (config == NULL || json_is_null(config))
		return NULL;
	if (!json_is_object(config)) {
		waha_config_problem(problems, "config must be an object");
		return NULL;
	}
	clean = only(config, config_keys);
	if (metadata != NULL && !json_is_null(metadata) && !json_is_object(metadata))
		waha_config_problem(problems, "config.metadata must be an object");
	if (hooks != NULL && !json_is_null(hooks))
		json_object_set_new(clean, "webhooks", clean_hooks(hooks, problems));
	*has_webhooks = json_array_size(json_object_get(clean, "webhooks")) > 0;
	dumped = json_dumps(clean, JSON_COMPACT);
	json_decref(clean);
	return dumped;
}

void
waha_config_check_name(const json_t *name, struct text *problems)
{
	const char *s = json_string_value(name);

	if (name == NULL || json_is_null(name))
		return;
	if (s == NULL) {
		waha_config_problem(problems, "name must be a string");
		return;
	}
	if (json_string_length(name) > SESSION_NAME_MAX)
		waha_config_problem(problems,
			"name must be shorter than or equal to %d characters",
			SESSION_NAME_MAX);
	if (strspn(s,
		    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
		    "-") != json_string_length(name))
		waha_config_problem(problems,
			"Session name can only contain alphanumeric characters, "
			"hyphens, and underscores (a-z, A-Z, 0-9, -, _) or be empty");
}
