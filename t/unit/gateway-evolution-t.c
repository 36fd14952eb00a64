/* Webhooks of Evolution API: fixtures are what 2.3.7 sent, names changed. */
#include "lib/gateway-evolution-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "t/unit/unit.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define RECORDED "t/fixtures/evolution-webhooks.jsonl"

/* The body is the caller's to free, as *ev borrows it. */
static json_t *
parse(const char *text, struct gateway_event *ev)
{
	struct err e = ERR_INIT;
	json_t *body = json_loads(text, 0, NULL);

	ck_assert_msg(body != NULL, "not JSON: %s", text);
	ck_assert_msg(evolution_parse_webhook(body, ev, &e), "%s", e.text);
	return body;
}

static void
is_text(const char *got, const char *want, int line)
{
	if (want == NULL)
		ck_assert_msg(got == NULL, "line %d: %s", line, got);
	else
		ck_assert_msg(got != NULL && strcmp(got, want) == 0,
			"line %d: %s, not %s", line, got != NULL ? got : "nothing",
			want);
}

START_TEST(a_recorded_life_is_understood)
{
	static const struct {
		const char *event, *status, *phone, *qr, *text, *id;
		enum event_kind kind;
	} want[] = {
		{.event = "instance.create"},
		{"connection.update", "STARTING", NULL, NULL, NULL, "", EVENT_STATUS},
		{"qrcode.updated", "SCAN_QR_CODE", NULL, "2@qr-of-loja-2,a,b,c", NULL,
			"", EVENT_QR},
		{.event = "instance.create"},
		{"connection.update", "STARTING", NULL, NULL, NULL, "", EVENT_STATUS},
		{"qrcode.updated", "SCAN_QR_CODE", NULL, "2@qr-of-loja-1,a,b,c", NULL,
			"", EVENT_QR},
		{"connection.update", "STARTING", NULL, NULL, NULL, "", EVENT_STATUS},
		{"connection.update", "WORKING", "5511900000001@s.whatsapp.net", NULL,
			NULL, "", EVENT_STATUS},
		{"send.message", NULL, NULL, NULL, "hello from the pool",
			"3EB0B165F04C401F318D0D", EVENT_MESSAGE},
		{"messages.upsert", NULL, NULL, NULL, "oi, tudo bem?",
			"3AE1FCB5B12C92292ADC", EVENT_MESSAGE},
		{.event = "contacts.upsert"},
		{.event = "chats.update"},
		{.event = "contacts.update"},
		{"connection.update", "STARTING", NULL, NULL, NULL, "", EVENT_STATUS},
		{"connection.update", "WORKING", "5511900000001@s.whatsapp.net", NULL,
			NULL, "", EVENT_STATUS},
		{"connection.update", "STARTING", NULL, NULL, NULL, "", EVENT_STATUS},
		{"connection.update", "WORKING", "5511900000001@s.whatsapp.net", NULL,
			NULL, "", EVENT_STATUS},
		{"status.instance", "FAILED", NULL, NULL, NULL, "", EVENT_STATUS},
		{.event = "logout.instance"},
		{"connection.update", "FAILED", NULL, NULL, NULL, "", EVENT_STATUS},
		{.event = "instance.delete"},
		{.event = "remove.instance"},
		{"connection.update", "FAILED", NULL, NULL, NULL, "", EVENT_STATUS},
		{"qrcode.updated", "FAILED", NULL, NULL, NULL, "", EVENT_STATUS},
		{.event = "instance.delete"},
		{.event = "remove.instance"},
	};
	FILE *f = fopen(RECORDED, "r");
	char *line = NULL;
	size_t size = 0, n = 0;

	ck_assert_msg(f != NULL, RECORDED);
	for (; getline(&line, &size, f) > 0; n++) {
		struct gateway_event ev;
		json_t *body = parse(line, &ev);

		ck_assert_uint_lt(n, N(want));
		is_text(ev.event, want[n].event, (int)n);
		is_text(ev.status, want[n].status, (int)n);
		is_text(ev.phone, want[n].phone, (int)n);
		is_text(ev.qr, want[n].qr, (int)n);
		is_text(ev.text, want[n].text, (int)n);
		is_text(ev.message_id, want[n].id != NULL ? want[n].id : "", (int)n);
		ck_assert_int_eq(ev.kind, want[n].kind);
		ck_assert_int_eq(ev.generation, 1);
		ck_assert_int_eq(strncmp(ev.session, "loja-", 5), 0);
		ck_assert(!ev.released);
		json_decref(body);
	}
	ck_assert_uint_eq(n, N(want));
	free(line);
	fclose(f);
}
END_TEST

/* Only a reason that is for good is an end; after others it reconnects by itself. */
START_TEST(a_close_is_final_by_its_reason)
{
	static const int finals[] = {401, 402, 403, 406},
			 others[] = {408, 428, 440, 500, 503, 515};
	struct gateway_event ev;
	char text[200];

	for (size_t i = 0; i < N(finals) + N(others); i++) {
		bool final = i < N(finals);
		json_t *body;

		snprintf(text, sizeof(text),
			"{\"event\":\"connection.update\",\"instance\":\"a\",\"data\":"
			"{\"state\":\"close\",\"statusReason\":%d}}",
			final ? finals[i] : others[i - N(finals)]);
		body = parse(text, &ev);
		ck_assert_str_eq(ev.status, final ? "FAILED" : "STARTING");
		json_decref(body);
	}
}
END_TEST

START_TEST(acks_have_words)
{
	static const struct {
		const char *word;
		int ack;
	} cases[] = {{"ERROR", ACK_ERROR}, {"PENDING", ACK_PENDING},
		{"SERVER_ACK", ACK_SERVER}, {"DELIVERY_ACK", ACK_DEVICE},
		{"READ", ACK_READ}, {"PLAYED", ACK_PLAYED}};
	struct gateway_event ev;
	char text[300];
	json_t *body;

	for (size_t i = 0; i < N(cases); i++) {
		snprintf(text, sizeof(text),
			"{\"event\":\"messages.update\",\"instance\":\"a\",\"data\":"
			"{\"keyId\":\"3EB0\",\"messageId\":\"cm1\",\"remoteJid\":"
			"\"55@s.whatsapp.net\",\"fromMe\":true,\"status\":\"%s\"}}",
			cases[i].word);
		body = parse(text, &ev);
		ck_assert_int_eq(ev.kind, EVENT_ACK);
		ck_assert_int_eq(ev.ack, cases[i].ack);
		ck_assert_str_eq(ev.message_id, "3EB0");
		ck_assert(ev.from_me);
		json_decref(body);
	}
	body = parse("{\"event\":\"messages.update\",\"data\":{\"remoteJid\":\"55@s\","
		     "\"fromMe\":true,\"id\":\"3EB1\",\"status\":\"READ\"}}",
		&ev);
	ck_assert_str_eq(ev.message_id, "3EB1"); /* version 1's word for it */
	json_decref(body);
	body = parse("{\"event\":\"messages.update\",\"data\":{\"keyId\":\"3EB0\","
		     "\"status\":\"DREAMT_OF\"}}",
		&ev);
	ck_assert_int_eq(ev.kind, EVENT_OTHER);
	json_decref(body);
}
END_TEST

START_TEST(neither_key_nor_qr_is_left_to_keep)
{
	json_t *body = json_loads(
		"{\"event\":\"qrcode.updated\",\"apikey\":\"key\",\"data\":{\"qrcode\":"
		"{\"instance\":\"a\",\"code\":\"2@\",\"base64\":\"data:\","
		"\"pairingCode\":"
		"\"ABCD1234\"}}}",
		0, NULL);
	json_t *want = json_loads("{\"event\":\"qrcode.updated\",\"data\":{\"qrcode\":"
				  "{\"instance\":\"a\"}}}",
		0, NULL);
	json_t *odd = json_loads("{\"event\":\"a\",\"data\":[1]}", 0, NULL);

	evolution_redact(body);
	ck_assert(json_equal(body, want));
	evolution_redact(odd); /* whatever it is */
	ck_assert_uint_eq(json_object_size(odd), 2);
	json_decref(odd);
	json_decref(want);
	json_decref(body);
}
END_TEST

#define CAPTION "{\"caption\":\"oi\"}"

START_TEST(a_message_says_its_text_wherever_it_is)
{
	static const char *const messages[] = {"{\"conversation\":\"oi\"}",
		"{\"extendedTextMessage\":{\"text\":\"oi\"}}",
		"{\"imageMessage\":{\"caption\":\"oi\"}}",
		"{\"ephemeralMessage\":{\"message\":{\"conversation\":\"oi\"}}}",
		"{\"viewOnceMessageV2\":{\"message\":{\"imageMessage\":" CAPTION "}}}"};
	struct gateway_event ev;
	char text[400];

	for (size_t i = 0; i < N(messages); i++) {
		json_t *body;

		snprintf(text, sizeof(text),
			"{\"event\":\"messages.upsert\",\"data\":{\"key\":{\"id\":"
			"\"3A\",\"remoteJid\":\"1@g.us\"},\"message\":%s}}",
			messages[i]);
		body = parse(text, &ev);
		ck_assert_msg(
			ev.text != NULL && strcmp(ev.text, "oi") == 0, "%s", text);
		ck_assert_str_eq(ev.chat, "1@g.us");
		ck_assert(!ev.from_me);
		json_decref(body);
	}
}
END_TEST

/* Its local time claims to be UTC: whatever its zone, the moment is found. */
START_TEST(the_zone_of_its_clock_does_not_matter)
{
	static const int zones_min[] = {0, -180, -210, 60, 345, 840, -720};
	int64_t now = clock_wall_ms(), at;
	struct gateway_event ev;

	for (size_t i = 0; i < N(zones_min); i++) {
		char when[40], text[200];
		json_t *body;
		time_t local;

		at = now - 5000;
		local = (time_t)(at / 1000) + zones_min[i] * 60;
		strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S",
			gmtime(&local)); /* one thread only */
		snprintf(text, sizeof(text),
			"{\"event\":\"connection.update\",\"date_time\":\"%s.%03dZ\","
			"\"data\":{\"state\":\"open\"}}",
			when, (int)(at % 1000));
		body = parse(text, &ev);
		ck_assert_int_eq(ev.at_ms, at);
		ck_assert_int_eq(ev.status_at_ms, at);
		json_decref(body);
	}
}
END_TEST

static bool
known(const char *version, const char *header, const char *body)
{
	char *env[2] = {NULL, NULL}, line[100], secret[] = "the-webhook-secret";
	struct server s = {.webhook_secret = secret,
		.pool_id = "0f8fad5b-d9cb-469f-a165-70867728950e"};
	struct request rq;
	bool ok;

	snprintf(s.version, sizeof(s.version), "%s", version);
	snprintf(line, sizeof(line), "HTTP_X_WAPOOL_SECRET=%s",
		header != NULL ? header : "");
	if (header != NULL)
		env[0] = line;
	request_init(&rq, env);
	buf_init(&rq.body, 1000);
	buf_puts(&rq.body, body);
	ok = evolution_signature_ok(&s, &rq);
	request_free(&rq);
	return ok;
}

START_TEST(version_2_is_known_by_its_header)
{
	ck_assert(known("2.3.7", "the-webhook-secret", "{}"));
	ck_assert(!known("2.3.7", "the-webhook-secreT", "{}"));
	ck_assert(!known("2.3.7", "", "{}"));
	ck_assert(!known("2.3.7", NULL, "{}"));
}
END_TEST

START_TEST(version_1_is_known_by_its_instances_key)
{
	char secret[] = "the-webhook-secret", token[EVOLUTION_TOKEN_SIZE], body[300];
	const struct server s = {.webhook_secret = secret,
		.pool_id = "0f8fad5b-d9cb-469f-a165-70867728950e"};
	static const char form[] =
		"{\"event\":\"e\",\"instance\":\"%s\",\"apikey\":\"%s\"}";

	ck_assert(evolution_token(&s, "loja-1", token));
	snprintf(body, sizeof(body), form, "loja-1", token);
	ck_assert(known("1.8.2", NULL, body));
	ck_assert_msg(!known("2.3.7", NULL, body), "a v2 has a better way");
	ck_assert(!known("1.8.2", "guessed", body));
	snprintf(body, sizeof(body), form, "loja-2", token);
	ck_assert_msg(!known("1.8.2", NULL, body), "another instance's");
	snprintf(body, sizeof(body), form, "loja-1", s.pool_id);
	ck_assert(!known("1.8.2", NULL, body));
	ck_assert(!known("1.8.2", NULL, "{\"event\":\"e\",\"instance\":\"loja-1\"}"));
}
END_TEST

START_TEST(version_1_that_tells_no_keys_is_known_by_its_address)
{
	char secret[] = "the-webhook-secret", token[EVOLUTION_TOKEN_SIZE], body[400];
	const struct server s = {.webhook_secret = secret,
		.pool_id = "0f8fad5b-d9cb-469f-a165-70867728950e"};
	static const char form[] =
		"{\"event\":\"e\",\"instance\":\"%s\",\"apikey\":null,\"destination\":"
		"\"https://pool.example/webhook/1?generation=3&token=%s\"}";
	struct gateway_event ev;
	json_t *parsed;

	ck_assert(evolution_token(&s, "loja-1", token));
	snprintf(body, sizeof(body), form, "loja-2", token);
	ck_assert_msg(!known("1.8.2", NULL, body), "another instance's");
	snprintf(body, sizeof(body), form, "loja-1", "guessed");
	ck_assert(!known("1.8.2", NULL, body));
	snprintf(body, sizeof(body), form, "loja-1", token);
	ck_assert(known("1.8.2", NULL, body));
	ck_assert(!known("2.3.7", NULL, body));
	parsed = parse(body, &ev);
	ck_assert_int_eq(ev.generation, 3);
	evolution_redact(parsed);
	ck_assert_str_eq(json_string_value(json_object_get(parsed, "destination")),
		"https://pool.example/webhook/1?generation=3");
	json_decref(parsed);
}
END_TEST

START_TEST(without_a_secret_nobody_is_known)
{
	char secret[] = "";
	char *env[] = {(char[]){"HTTP_X_WAPOOL_SECRET="}, NULL};
	const struct server s = {.webhook_secret = secret, .version = "1.8.2"};
	struct request rq;

	request_init(&rq, env);
	ck_assert(!evolution_signature_ok(&s, &rq));
	request_free(&rq);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {a_recorded_life_is_understood,
		a_close_is_final_by_its_reason, acks_have_words,
		neither_key_nor_qr_is_left_to_keep,
		a_message_says_its_text_wherever_it_is,
		the_zone_of_its_clock_does_not_matter, version_2_is_known_by_its_header,
		version_1_is_known_by_its_instances_key,
		version_1_that_tells_no_keys_is_known_by_its_address,
		without_a_secret_nobody_is_known, NULL};

	return unit_main(unit_suite("gateway-evolution", tests));
}
