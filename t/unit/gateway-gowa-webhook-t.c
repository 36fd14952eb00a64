/* Shapes are those of GOWA 9.2.0's own source and openapi.yaml. */
#include "lib/gateway.h"

#include <stdio.h>
#include <string.h>

#include "t/unit/unit.h"

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define G gateway_gowa

static json_t *
parse(const char *text, struct gateway_event *ev)
{
	json_t *v = json_loads(text, 0, NULL);
	struct err e = ERR_INIT;

	ck_assert_ptr_nonnull(v);
	ck_assert_msg(G.parse_webhook(v, ev, &e), "%s", e.text);
	return v;
}

START_TEST(a_message_is_read)
{
	struct gateway_event ev;
	json_t *v = parse(
		"{\"event\":\"message\",\"device_id\":\"628987654321@s.whatsapp.net\","
		"\"session_id\":\"pool-01\",\"payload\":{\"id\":"
		"\"3EB0C127D7BACC83D6A1\","
		"\"chat_id\":\"628123@s.whatsapp.net\",\"from\":\"628123@s.whatsapp."
		"net\","
		"\"from_name\":\"John\",\"timestamp\":\"2023-10-15T10:30:00Z\","
		"\"is_from_me\":false,\"body\":\"Hello\"}}",
		&ev);

	ck_assert_int_eq(ev.kind, EVENT_MESSAGE);
	ck_assert_str_eq(ev.event, "message");
	ck_assert_str_eq(ev.session, "pool-01");
	ck_assert_str_eq(ev.message_id, "3EB0C127D7BACC83D6A1");
	ck_assert_str_eq(ev.chat, "628123@s.whatsapp.net");
	ck_assert_str_eq(ev.text, "Hello");
	ck_assert(!ev.from_me);
	ck_assert_int_eq(ev.at_ms, 1697365800000);
	ck_assert_int_eq(ev.generation, -1);
	ck_assert_ptr_null(ev.status);
	/* the same message in a group is told by each device in it: its id is no event's */
	ck_assert_ptr_null(ev.id);
	json_decref(v);
}
END_TEST

START_TEST(receipts_are_acks)
{
	static const struct {
		const char *type;
		enum event_kind kind;
		int ack;
	} cases[] = {{"delivered", EVENT_ACK, ACK_DEVICE},
		{"read", EVENT_ACK, ACK_READ}, {"played", EVENT_ACK, ACK_PLAYED},
		{"read-self", EVENT_OTHER, 0}, {"sender", EVENT_OTHER, 0}};

	for (int i = 0; i < N(cases); i++) {
		struct gateway_event ev;
		char text[400];
		json_t *v;

		snprintf(text, sizeof(text),
			"{\"event\":\"message.ack\",\"device_id\":\"1@s.whatsapp.net\","
			"\"timestamp\":\"2025-07-18T22:44:20.5-03:00\",\"payload\":{"
			"\"ids\":[\"3EB0A\",\"3EB0B\"],\"chat_id\":\"120@g.us\","
			"\"receipt_type\":\"%s\"}}",
			cases[i].type);
		v = parse(text, &ev);
		ck_assert_int_eq(ev.kind, cases[i].kind);
		ck_assert_int_eq(ev.ack, cases[i].ack);
		ck_assert_str_eq(
			ev.message_id, cases[i].kind == EVENT_ACK ? "3EB0A" : "");
		ck_assert_int_eq(ev.at_ms, 1752889460000);
		ck_assert_ptr_null(ev.session); /* before 8.8 there is none */
		json_decref(v);
	}
}
END_TEST

START_TEST(any_shape_of_event_is_survived)
{
	static const char *const bodies[] = {"{\"event\":\"group.participants\"}",
		"{\"event\":\"message\"}", "{\"event\":\"message\",\"payload\":[]}",
		"{\"event\":\"message\",\"payload\":{\"id\":7,\"body\":{},\"image\":[],"
		"\"timestamp\":\"yesterday\"},\"session_id\":null}",
		"{\"event\":\"message.ack\",\"payload\":{\"ids\":{},\"receipt_type\":"
		"\"read\"},\"timestamp\":\"2023-10-15T10:30:00\"}",
		"{\"event\":\"message\",\"timestamp\":\"2023-10-15T10:30:00+0x:1\"}"};

	for (int i = 0; i < N(bodies); i++) {
		struct gateway_event ev;
		json_t *v = parse(bodies[i], &ev);

		ck_assert_int_eq(ev.at_ms, 0);
		ck_assert_str_eq(ev.message_id, "");
		json_decref(v);
	}
}
END_TEST

START_TEST(what_is_no_event_is_refused)
{
	static const char *const bodies[] = {
		"{}", "[]", "{\"event\":\"\"}", "{\"event\":7}"};

	for (int i = 0; i < N(bodies); i++) {
		json_t *v = json_loads(bodies[i], 0, NULL);
		struct gateway_event ev;
		struct err e = ERR_INIT;

		ck_assert(!G.parse_webhook(v, &ev, &e));
		ck_assert_int_eq(e.code, ERR_INPUT);
		json_decref(v);
	}
}
END_TEST

/* openssl dgst -sha256 -hmac my-secret-key */
#define BODY "{\"event\":\"message\"}"
#define MAC "e632f5522dd340a6e21a66ec8febb05408c81c57baaa599792c5f548fc823133"

static bool
signed_by(const char *header, const char *secret, const char *body)
{
	char *env[2] = {NULL, NULL}, line[200], key[64];
	struct server s = {.webhook_secret = key};
	struct request rq;
	bool ok;

	snprintf(key, sizeof(key), "%s", secret);
	snprintf(line, sizeof(line), "HTTP_X_HUB_SIGNATURE_256=%s",
		header != NULL ? header : "");
	if (header != NULL)
		env[0] = line;
	request_init(&rq, env);
	buf_init(&rq.body, 1000);
	buf_puts(&rq.body, body);
	ok = G.signature_ok(&s, &rq);
	request_free(&rq);
	return ok;
}

START_TEST(the_signature_covers_the_raw_body)
{
	ck_assert(signed_by("sha256=" MAC, "my-secret-key", BODY));
	ck_assert(!signed_by("sha256=" MAC, "my-secret-key", BODY " "));
	ck_assert(!signed_by("sha256=" MAC, "another", BODY));
	ck_assert(!signed_by(MAC, "my-secret-key", BODY));
	ck_assert(!signed_by("sha256=", "my-secret-key", BODY));
	ck_assert(!signed_by("sha1=" MAC, "my-secret-key", BODY));
	ck_assert(!signed_by("sha256=" MAC "00", "my-secret-key", BODY));
	ck_assert(!signed_by(NULL, "my-secret-key", BODY));
	ck_assert(!signed_by("sha256=" MAC, "", BODY));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {a_message_is_read, receipts_are_acks,
		any_shape_of_event_is_survived, what_is_no_event_is_refused,
		the_signature_covers_the_raw_body, NULL};

	return unit_main(unit_suite("gateway-gowa-webhook", tests));
}
