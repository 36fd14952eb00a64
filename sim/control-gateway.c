/* The gateway as a whole: restart, reset, faults, counters. */
#include "control.h"

#include "clock.h"
#include "kind.h"
#include "reply.h"
#include "session.h"

#include <stdlib.h>

#define DOWN_MS 2000
#define DOWN_MAX_MS 3600000

void
control_restart(struct request *r)
{
	const json_t *given = json_object_get(r->body, "downMs");
	double down_ms = given != NULL ? json_number_value(given) : DOWN_MS;
	size_t running;

	if ((given != NULL && !json_is_number(given)) || down_ms < 0 ||
		down_ms > DOWN_MAX_MS) {
		reply_control_error(
			r, 400, "downMs must be a number from 0 to 3600000");
		return;
	}
	running = gateway_restart(r->gw, (int64_t)down_ms);
	text_addf(&r->out, "{\"downMs\":%.0f,\"sessions\":%zu}", down_ms, running);
}

void
control_kind_get(struct request *r)
{
	text_addf(&r->out, "{\"kind\":\"%s\"}", r->gw->kind->name);
}

void
control_kind_put(struct request *r)
{
	const char *name = request_string(r, "kind");
	const struct kind *kind = name != NULL ? kind_find(name) : NULL;

	if (kind == NULL) {
		reply_control_error(r, 400, "no such kind");
	} else if (kind != r->gw->kind && r->gw->sessions.count > 0) {
		reply_control_error(r, 409, "it has sessions: reset it first");
	} else {
		r->gw->kind = kind;
		control_kind_get(r);
	}
}

void
control_reset(struct request *r)
{
	gateway_reset(r->gw);
	text_add(&r->out, "{\"reset\":true}");
}

void
control_faults_get(struct request *r)
{
	faults_add_json(&r->gw->faults, &r->out);
}

void
control_faults_put(struct request *r)
{
	char *why = faults_set(&r->gw->faults, r->body);

	if (why != NULL)
		reply_control_error(r, 400, why);
	else
		faults_add_json(&r->gw->faults, &r->out);
	free(why);
}

void
control_faults_delete(struct request *r)
{
	faults_clear(&r->gw->faults);
	faults_add_json(&r->gw->faults, &r->out);
}

static void
add_sessions(const struct gateway *gw, struct text *out)
{
	size_t count[STATUS__MAX] = {0};
	const struct session *s;
	int i;

	for (s = gw->sessions.first; s != NULL; s = s->next)
		count[s->status]++;
	text_addf(out, "\"sessions\":{\"total\":%zu", gw->sessions.count);
	for (i = 0; i < STATUS__MAX; i++)
		text_addf(out, ",\"%s\":%zu", status_name((enum status)i), count[i]);
	text_add(out, "}");
}

static void
add_webhooks(struct gateway *gw, struct text *out)
{
	struct webhook_counts *w = &gw->webhooks;
	/* The ends first: what is queued in between cannot make pending negative. */
	unsigned long long sent = atomic_load(&w->sent);
	unsigned long long failed = atomic_load(&w->failed);
	unsigned long long dropped = atomic_load(&w->dropped);
	unsigned long long queued = atomic_load(&w->queued);

	text_addf(out,
		"\"webhooks\":{\"queued\":%llu,\"sent\":%llu,\"failed\":%llu,"
		"\"dropped\":%llu,\"pending\":%llu,\"retried\":%llu,\"lost\":%llu,"
		"\"doubled\":%llu}",
		queued, sent, failed, dropped, queued - sent - failed - dropped,
		atomic_load(&w->retried), atomic_load(&w->lost),
		atomic_load(&w->doubled));
}

void
control_stats(struct request *r)
{
	text_addf(&r->out,
		"{\"server\":\"%s\",\"kind\":\"%s\",\"timeScale\":%g,"
		"\"startTimestamp\":%lld,"
		"\"down\":%s,",
		r->gw->name, r->gw->kind->name, clock_scale(),
		(long long)r->gw->start_ms, r->gw->down ? "true" : "false");
	add_sessions(r->gw, &r->out);
	text_add(&r->out, ",");
	add_webhooks(r->gw, &r->out);
	text_add(&r->out, ",\"requests\":");
	stats_add_json(&r->gw->stats, &r->out);
	text_add(&r->out, "}");
}
