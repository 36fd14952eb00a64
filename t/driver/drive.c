/*
 * One operation of one driver, for t/gateway.t: drive KIND URL KEY OP [NAME [ARGUMENT
 * [ARGUMENT]]]. Prints what came of it as one line of JSON. The webhook's address and
 * secret are WEBHOOK_URL and WEBHOOK_SECRET, the limit of a call TIMEOUT_MS.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/gateway.h"

struct drive {
	const struct gateway *gw;
	struct http *h;
	struct server s;
	const char *name, *arg, *arg2;
	json_t *out;
	struct err e;
};

static deadline_t
soon(void)
{
	return deadline_in(20000);
}

static json_t *
session_json(const struct session *s)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", s->name, "word", s->word,
		"phone", s->phone, "profile", s->profile, "pool", s->pool_id);
}

static bool
note(const struct session *s, void *ctx)
{
	json_array_append_new(ctx, session_json(s));
	return true;
}

static bool
run_text(struct drive *t, const char *op)
{
	struct buf text;
	bool ok;

	buf_init(&text, 2000);
	if (strcmp(op, "qr") == 0)
		ok = t->gw->qr(t->h, &t->s, t->name, &text, soon(), &t->e);
	else
		ok = t->gw->pairing_code(
			t->h, &t->s, t->name, t->arg, &text, soon(), &t->e);
	json_object_set_new(t->out, "text", json_string(buf_str(&text)));
	buf_free(&text);
	return ok;
}

static bool
run_read(struct drive *t, const char *op)
{
	struct gateway_status status;
	struct session one = {0};
	struct sent sent;
	bool ok;

	if (strcmp(op, "state") == 0) {
		ok = t->gw->state(t->h, &t->s, t->name, &one, soon(), &t->e);
		json_object_update_new(t->out, session_json(&one));
	} else if (strcmp(op, "list") == 0) {
		json_t *list = json_array();

		ok = t->gw->list(t->h, &t->s, note, list, soon(), &t->e);
		json_object_set_new(t->out, "list", list);
	} else if (strcmp(op, "send") == 0) {
		ok = t->gw->send_text(t->h, &t->s, t->name,
			&(struct text_message){.chat = t->arg, .text = t->arg2}, &sent,
			soon(), &t->e);
		json_object_set_new(t->out, "id", json_string(sent.id));
		json_object_set_new(t->out, "unknown", json_boolean(sent.unknown));
	} else if (strcmp(op, "ping") == 0) {
		ok = t->gw->ping(t->h, &t->s, &status, soon(), &t->e);
		json_object_set_new(t->out, "version", json_string(status.version));
	} else {
		ok = run_text(t, op);
	}
	return ok;
}

static bool
run(struct drive *t, const char *op)
{
	const struct session_spec spec = {.name = t->name, .generation = 7};
	const struct {
		const char *op;
		bool (*fn)(struct http *, const struct server *, const char *,
			deadline_t, struct err *);
	} commands[] = {{"start", t->gw->start}, {"stop", t->gw->stop},
		{"restart", t->gw->restart}, {"logout", t->gw->logout},
		{"remove", t->gw->remove}};

	if (strcmp(op, "create") == 0)
		return t->gw->create(t->h, &t->s, &spec, soon(), &t->e);
	if (strcmp(op, "webhook") == 0)
		return t->gw->set_webhook(t->h, &t->s, &spec, soon(), &t->e);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].op, op) == 0)
			return commands[i].fn(t->h, &t->s, t->name, soon(), &t->e);
	return run_read(t, op);
}

static char *
setting(const char *name, char *unset)
{
	char *value = getenv(name);

	return value != NULL ? value : unset;
}

int
main(int argc, char **argv)
{
	struct drive t = {.out = json_object()};
	static char none[] = "", timeout[] = "5000";

	if (argc < 5 || (t.gw = gateway_of(argv[1])) == NULL ||
		curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 2;
	t.h = http_new("", "", NULL);
	t.s = (struct server){.url = argv[2],
		.key = argv[3],
		.webhook_url = setting("WEBHOOK_URL", none),
		.webhook_secret = setting("WEBHOOK_SECRET", none),
		.pool_id = "0f8fad5b-d9cb-469f-a165-70867728950e",
		.timeout_ms = atoi(setting("TIMEOUT_MS", timeout)),
		.retries = 1};
	t.name = argc > 5 ? argv[5] : "";
	t.arg = argc > 6 ? argv[6] : "";
	t.arg2 = argc > 7 ? argv[7] : "";
	json_object_set_new(t.out, "ok", json_boolean(run(&t, argv[4])));
	json_object_set_new(t.out, "code", json_string(err_name(t.e.code)));
	json_object_set_new(t.out, "why", json_string(t.e.text));
	json_dumpf(t.out, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(t.out);
	http_free(t.h);
	curl_global_cleanup();
	return 0;
}
