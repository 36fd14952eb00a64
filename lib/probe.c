#include "lib/probe.h"

#include <stdio.h>
#include <string.h>

static const char *const words[] = {
	[PROBE_OK] = "ok",
	[PROBE_DNS] = "dns",
	[PROBE_REFUSED] = "refused",
	[PROBE_TLS] = "tls",
	[PROBE_TIMEOUT] = "timeout",
	[PROBE_BLOCKED] = "blocked",
	[PROBE_UNAUTHORIZED] = "unauthorized",
	[PROBE_NOT_A_GATEWAY] = "not-a-gateway",
	[PROBE_FAILED] = "failed",
};

static enum probe_result
result_of(const struct err *e)
{
	switch (e->code) {
	case ERR_BLOCKED:
		return PROBE_BLOCKED;
	case ERR_TIMEOUT:
		return PROBE_TIMEOUT;
	case ERR_UNAUTHORIZED:
		return PROBE_UNAUTHORIZED;
	case ERR_UNAVAILABLE:
		if (strcmp(e->cause, "name") == 0)
			return PROBE_DNS;
		if (strcmp(e->cause, "connect") == 0)
			return PROBE_REFUSED;
		return strcmp(e->cause, "tls") == 0 ? PROBE_TLS : PROBE_FAILED;
	case ERR_NOMEM:
	case ERR_INTERNAL:
	case ERR_CONFIG:
		return PROBE_FAILED;
	default:
		return PROBE_NOT_A_GATEWAY;
	}
}

static bool
count_one(const struct session *s, void *n)
{
	(void)s;
	++*(int *)n;
	return true;
}

static void
probe_kind(struct http *h, const struct server *s, deadline_t d, struct probe *out)
{
	const struct gateway *driver = gateway_of(s->kind);
	struct gateway_status status = {.started_ms = 0};
	struct err e = ERR_INIT;
	int64_t began = clock_ms();
	int n = 0;

	*out = (struct probe){.sessions = -1, .latency_ms = -1};
	if (!driver->ping(h, s, &status, d, &e)) {
		out->result = result_of(&e);
		if (out->result == PROBE_UNAUTHORIZED ||
			out->result == PROBE_NOT_A_GATEWAY)
			out->latency_ms = clock_ms() - began;
		return;
	}
	out->latency_ms = clock_ms() - began;
	snprintf(out->kind, sizeof(out->kind), "%s", s->kind);
	snprintf(out->version, sizeof(out->version), "%s", status.version);
	/* what is asked for with the key shows that the key is good */
	if (driver->list(h, s, count_one, &n, d, &e))
		out->sessions = n;
	else
		out->result = result_of(&e);
}

void
probe_run(struct http *h, struct server *s, deadline_t d, struct probe *out)
{
	const struct gateway *driver;
	struct probe one;
	bool any = false;

	if (*s->kind != '\0') {
		probe_kind(h, s, d, out);
		return;
	}
	for (size_t i = 0; (driver = gateway_at(i)) != NULL; i++) {
		snprintf(s->kind, sizeof(s->kind), "%s", driver->kind);
		probe_kind(h, s, d, &one);
		/* a refused key says more than a missing path of another kind */
		if (!any || one.result == PROBE_OK ||
			(out->result == PROBE_NOT_A_GATEWAY &&
				one.result == PROBE_UNAUTHORIZED))
			*out = one;
		any = true;
		/* the way there is the same for every kind */
		if (one.result != PROBE_NOT_A_GATEWAY &&
			one.result != PROBE_UNAUTHORIZED)
			break;
	}
	*s->kind = '\0';
}

static json_t *
text_or_null(const char *text)
{
	return *text != '\0' ? json_string(text) : json_null();
}

/* Whether the key was taken, as far as it came to that. */
static json_t *
authorized(const struct probe *p)
{
	if (p->result == PROBE_OK || p->result == PROBE_UNAUTHORIZED)
		return json_boolean(p->result == PROBE_OK);
	return json_null();
}

json_t *
probe_json(const struct probe *p, enum lang lang)
{
	enum message m = (enum message)(MSG_PROBE_OK + (int)p->result);

	return json_pack("{s:b, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:s}", "success",
		p->result == PROBE_OK, "result", words[p->result], "reachable",
		p->latency_ms >= 0, "authorized", authorized(p), "kind",
		text_or_null(p->kind), "version", text_or_null(p->version), "sessions",
		p->sessions >= 0 ? json_integer(p->sessions) : json_null(),
		"latency_ms",
		p->latency_ms >= 0 ? json_integer(p->latency_ms) : json_null(),
		"message", message_text(m, lang));
}
