#include "lib/gateway.h"

#include <stdio.h>
#include <string.h>

#include "t/unit/unit.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* Parses text as WAHA's webhook; the body is the caller's to free, as
 * *ev borrows it. */
static json_t *
parse(const char *text, bool ok, struct gateway_event *ev)
{
	struct err e = ERR_INIT;
	json_t *body = json_loads(text, JSON_DECODE_ANY, NULL);

	ck_assert_msg(body != NULL, "not JSON: %s", text);
	ck_assert_msg(gateway_waha.parse_webhook(body, ev, &e) == ok, "%s", text);
	ck_assert_int_eq(e.code, ok ? ERR_NONE : ERR_INPUT);
	return body;
}

START_TEST(a_status_as_waha_sends_it)
{
	struct gateway_event ev;
	json_t *body = parse("{\"id\":\"evt_01m7xfv50qwwg8p5ev65s71zz3\",\"timestamp\":"
			     "1795212284951,"
			     "\"event\":\"session.status\",\"session\":\"s1\","
			     "\"metadata\":{\"tenant\":"
			     "\"t1\",\"wapool.generation\":\"12\"},\"me\":{\"id\":"
			     "\"5511999999999@c.us\","
			     "\"pushName\":\"Ana\"},\"payload\":{\"name\":\"s1\","
			     "\"status\":\"WORKING\","
			     "\"statuses\":[{\"status\":\"SCAN_QR_CODE\",\"timestamp\":"
			     "1795212284406},"
			     "{\"status\":\"WORKING\",\"timestamp\":1795212284950}]},"
			     "\"engine\":\"NOWEB\"}",
		true, &ev);

	ck_assert_str_eq(ev.event, "session.status");
	ck_assert_str_eq(ev.id, "evt_01m7xfv50qwwg8p5ev65s71zz3");
	ck_assert_str_eq(ev.session, "s1");
	ck_assert_int_eq(ev.at_ms, 1795212284951);
	ck_assert_int_eq(ev.generation, 12);
	ck_assert_int_eq(ev.kind, EVENT_STATUS);
	ck_assert_str_eq(ev.status, "WORKING");
	/* the status has its own time, which orders events */
	ck_assert_int_eq(ev.status_at_ms, 1795212284950);
	ck_assert_str_eq(ev.phone, "5511999999999@c.us");
	ck_assert_str_eq(ev.profile, "Ana");
	ck_assert(!ev.released);
	json_decref(body);
}
END_TEST

START_TEST(an_old_waha_sends_less)
{
	struct gateway_event ev;
	json_t *body = parse("{\"event\":\"session.status\",\"session\":\"default\","
			     "\"payload\":{\"status\":\"SCAN_QR_CODE\"}}",
		true, &ev);

	ck_assert_ptr_null(ev.id);
	ck_assert_int_eq(ev.at_ms, 0);
	ck_assert_int_eq(ev.generation, -1);
	ck_assert_str_eq(ev.status, "SCAN_QR_CODE");
	ck_assert_int_eq(ev.status_at_ms, 0);
	ck_assert_ptr_null(ev.phone);
	ck_assert_ptr_null(ev.profile);
	json_decref(body);
}
END_TEST

#define TWO_STATUSES                                                                   \
	"[{\"status\":\"WORKING\",\"timestamp\":5},"                                   \
	"{\"status\":\"FAILED\",\"timestamp\":6}]"

START_TEST(the_time_of_another_status_is_not_taken)
{
	static const char *const lists[] = {"[]", "null", "7", "[null]", "[{}]",
		"[{\"status\":\"FAILED\",\"timestamp\":5}]", TWO_STATUSES,
		"[{\"status\":\"WORKING\",\"timestamp\":\"5\"}]",
		"[{\"status\":\"WORKING\",\"timestamp\":5.5}]",
		"[{\"status\":\"WORKING\"}]"};

	for (size_t i = 0; i < N(lists); i++) {
		char text[400];
		struct gateway_event ev;
		json_t *body;

		snprintf(text, sizeof(text),
			"{\"event\":\"session.status\",\"timestamp\":1795212284951,"
			"\"payload\":{\"status\":\"WORKING\",\"statuses\":%s}}",
			lists[i]);
		body = parse(text, true, &ev);
		ck_assert_msg(ev.status_at_ms == 1795212284951, "%s", lists[i]);
		json_decref(body);
	}
}
END_TEST

START_TEST(the_seeds_status_instance_releases)
{
	static const struct {
		const char *status, *want;
		bool released;
	} cases[] = {{"disconnected", "disconnected", true},
		{"connected", "WORKING", false}, {"open", "WORKING", false},
		{"connecting", "STARTING", false}, {"qrcode", "SCAN_QR_CODE", false},
		{"Disconnected", "Disconnected", false},
		{"new-word", "new-word", false}};

	for (size_t i = 0; i < N(cases); i++) {
		char text[200];
		struct gateway_event ev;
		json_t *body;

		snprintf(text, sizeof(text),
			"{\"event\":\"status.instance\",\"instance\":\"pool-1-1\","
			"\"timestamp\":1795212284951,\"payload\":{\"status\":\"%s\"}}",
			cases[i].status);
		body = parse(text, true, &ev);
		ck_assert_str_eq(ev.session, "pool-1-1");
		ck_assert_str_eq(ev.status, cases[i].want);
		ck_assert_int_eq(ev.status_at_ms, 1795212284951);
		ck_assert_msg(ev.released == cases[i].released, "%s", cases[i].status);
		json_decref(body);
	}
}
END_TEST

START_TEST(no_other_event_changes_a_status)
{
	static const char *const events[] = {"message", "message.any", "message.ack",
		"state.change", "session.statuses", "SESSION.STATUS", "anything"};

	for (size_t i = 0; i < N(events); i++) {
		char text[200];
		struct gateway_event ev;
		json_t *body;

		snprintf(text, sizeof(text),
			"{\"event\":\"%s\",\"session\":\"s1\",\"id\":\"e\","
			"\"payload\":{\"status\":\"disconnected\",\"id\":\"m\"}}",
			events[i]);
		body = parse(text, true, &ev);
		ck_assert_str_eq(ev.event, events[i]);
		ck_assert_str_eq(ev.session, "s1");
		ck_assert_str_eq(ev.id, "e");
		ck_assert_ptr_null(ev.status);
		ck_assert(!ev.released);
		json_decref(body);
	}
}
END_TEST

START_TEST(the_session_is_looked_for_in_its_places)
{
	static const char *const cases[][2] = {
		{"{\"event\":\"e\",\"session\":\"a\",\"instance\":\"c\",\"payload\":{"
		 "\"name\":\"b\"}}",
			"a"},
		{"{\"event\":\"e\",\"instance\":\"c\",\"payload\":{\"name\":\"b\"}}",
			"b"},
		{"{\"event\":\"e\",\"instance\":\"c\",\"session\":7}", "c"},
		{"{\"event\":\"e\",\"payload\":[\"name\"]}", NULL},
		{"{\"event\":\"e\"}", NULL}};

	for (size_t i = 0; i < N(cases); i++) {
		struct gateway_event ev;
		json_t *body = parse(cases[i][0], true, &ev);

		if (cases[i][1] == NULL)
			ck_assert_ptr_null(ev.session);
		else
			ck_assert_str_eq(ev.session, cases[i][1]);
		json_decref(body);
	}
}
END_TEST

START_TEST(what_is_no_webhook_is_refused)
{
	static const char *const cases[] = {"{}", "[]", "7", "\"event\"", "null",
		"{\"event\":7}", "{\"event\":null}", "{\"event\":\"\"}",
		"{\"payload\":{\"event\":\"e\"}}",
		/* 101 bytes */
		"{\"event\":"
		"\"1234567890123456789012345678901234567890123456789012345678"
		"9012345678901234567890123456789012345678901\"}"};
	struct gateway_event ev;

	for (size_t i = 0; i < N(cases); i++)
		json_decref(parse(cases[i], false, &ev));
}
END_TEST

START_TEST(members_of_the_wrong_type_are_absent)
{
	struct gateway_event ev;
	json_t *body =
		parse("{\"event\":\"session.status\",\"id\":7,\"timestamp\":\"now\","
		      "\"metadata\":[\"wapool.generation\"],\"me\":\"nobody\","
		      "\"payload\":{\"status\":{\"is\":\"WORKING\"}}}",
			true, &ev);

	ck_assert_ptr_null(ev.id);
	ck_assert_int_eq(ev.at_ms, 0);
	ck_assert_int_eq(ev.generation, -1);
	ck_assert_ptr_null(ev.phone);
	ck_assert_ptr_null(ev.status);
	json_decref(body);
	body = parse(
		"{\"event\":\"session.status\",\"metadata\":{\"wapool.generation\":7},"
		"\"me\":{\"id\":[],\"pushName\":{}},\"payload\":\"WORKING\"}",
		true, &ev);
	ck_assert_int_eq(ev.generation, -1);
	ck_assert_ptr_null(ev.profile);
	ck_assert_ptr_null(ev.status);
	json_decref(body);
}
END_TEST

/* A generation that is no number of ours must match no generation of ours (they begin
 * with 1), nor be taken for "none said". */
START_TEST(an_absurd_generation_is_nobodys)
{
	static const struct {
		const char *text;
		int64_t want;
	} cases[] = {{"1", 1}, {"9007199254740993", 9007199254740993},
		{"99999999999999999999999", INT64_MAX}, {"", 0}, {"one", 0}, {"1x", 0},
		{" 1", 0}, {"0x10", 0}, {"-5", 0}, {"+1", 0}, {"1.0", 0}, {"1e3", 0}};

	for (size_t i = 0; i < N(cases); i++) {
		char text[200];
		struct gateway_event ev;
		json_t *body;

		snprintf(text, sizeof(text),
			"{\"event\":\"message\",\"metadata\":{\"wapool.generation\":\"%"
			"s\"}}",
			cases[i].text);
		body = parse(text, true, &ev);
		ck_assert_msg(ev.generation == cases[i].want, "\"%s\": %lld",
			cases[i].text, (long long)ev.generation);
		json_decref(body);
	}
}
END_TEST

START_TEST(a_status_that_cannot_be_one_is_none)
{
	static const char *const words[] = {
		"", "123456789012345678901234567890123456789012345678901"};

	for (size_t i = 0; i < N(words); i++) {
		char text[200];
		struct gateway_event ev;
		json_t *body;

		snprintf(text, sizeof(text),
			"{\"event\":\"session.status\",\"payload\":{\"status\":\"%s\"}"
			"}",
			words[i]);
		body = parse(text, true, &ev);
		ck_assert_ptr_null(ev.status);
		json_decref(body);
	}
}
END_TEST

START_TEST(absurd_times_are_passed_on_as_they_are)
{
	/* lib/webhook decides what is a sane time */
	static const char *const texts[] = {"-1", "0", "9223372036854775807"};
	static const int64_t want[] = {-1, 0, INT64_MAX};

	for (size_t i = 0; i < N(texts); i++) {
		char text[200];
		struct gateway_event ev;
		json_t *body;

		snprintf(text, sizeof(text),
			"{\"event\":\"session.status\",\"timestamp\":%s,\"payload\":{"
			"\"status\":\"WORKING\"}}",
			texts[i]);
		body = parse(text, true, &ev);
		ck_assert_int_eq(ev.at_ms, want[i]);
		ck_assert_int_eq(ev.status_at_ms, want[i]);
		json_decref(body);
	}
}
END_TEST

START_TEST(messages_and_acks_are_told_once)
{
	static const struct {
		const char *event, *from_me, *payload;
		enum event_kind kind;
	} cases[] = {{"message", "false", "\"ack\":2", EVENT_MESSAGE},
		{"message.any", "false", "\"ack\":2", EVENT_OTHER},
		{"message.any", "true", "\"ack\":0", EVENT_MESSAGE},
		{"message.ack", "true", "\"ack\":3", EVENT_ACK},
		{"message.ack", "true", "\"ack\":\"3\"", EVENT_OTHER},
		{"message.reaction", "false", "\"ack\":2", EVENT_OTHER}};

	for (size_t i = 0; i < N(cases); i++) {
		struct gateway_event ev;
		char text[500];
		json_t *body;

		snprintf(text, sizeof(text),
			"{\"event\":\"%s\",\"session\":\"s1\",\"payload\":{\"id\":"
			"\"false_12@g.us_3AF7_5511999999999@c.us\",\"from\":\"12@g."
			"us\","
			"\"fromMe\":%s,\"body\":\"oi\",\"hasMedia\":true,\"media\":"
			"{\"url\":\"http://h/f.jpg\"},%s}}",
			cases[i].event, cases[i].from_me, cases[i].payload);
		body = parse(text, true, &ev);
		ck_assert_msg(ev.kind == cases[i].kind, "%s", text);
		if (ev.kind != EVENT_OTHER) {
			ck_assert_str_eq(ev.message_id, "3AF7");
			ck_assert_str_eq(ev.chat, "12@g.us");
			ck_assert_int_eq(ev.from_me, *cases[i].from_me == 't');
		}
		if (ev.kind == EVENT_MESSAGE) {
			ck_assert_str_eq(ev.text, "oi");
			ck_assert_str_eq(ev.media, "http://h/f.jpg");
		}
		if (ev.kind == EVENT_ACK)
			ck_assert_int_eq(ev.ack, ACK_READ);
		json_decref(body);
	}
}
END_TEST

/* --- signatures */

#define BODY "{\"event\":\"message\",\"session\":\"default\",\"engine\":\"WEBJS\"}"
#define MAC                                                                            \
	"208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8"             \
	"097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89"

static bool
signed_ok(const char *secret, const char *body, char *mac, char *algorithm)
{
	char *const env[] = {mac, algorithm, NULL};
	char copy[64];
	struct server s = {.webhook_secret = copy};
	struct request rq;
	bool ok;

	snprintf(copy, sizeof(copy), "%s", secret);
	request_init(&rq, env);
	buf_init(&rq.body, 1000);
	ck_assert(buf_puts(&rq.body, body));
	ok = gateway_waha.signature_ok(&s, &rq);
	request_free(&rq);
	return ok;
}

START_TEST(the_published_signature_is_good)
{
	char mac[] = "HTTP_X_WEBHOOK_HMAC=" MAC;
	char sha[] = "HTTP_X_WEBHOOK_HMAC_ALGORITHM=sha512";
	char upper[] = "HTTP_X_WEBHOOK_HMAC_ALGORITHM=SHA512";

	ck_assert(signed_ok("my-secret-key", BODY, mac, sha));
	ck_assert(signed_ok("my-secret-key", BODY, mac, upper));
	ck_assert(signed_ok("my-secret-key", BODY, mac, NULL));
}
END_TEST

START_TEST(any_other_signature_is_not)
{
	char mac[] = "HTTP_X_WEBHOOK_HMAC=" MAC, none[] = "X=";
	char empty[] = "HTTP_X_WEBHOOK_HMAC=", cut[] = "HTTP_X_WEBHOOK_HMAC=208f8a55";
	char more[] = "HTTP_X_WEBHOOK_HMAC=" MAC "00",
	     prefix[] = "HTTP_X_WEBHOOK_HMAC=sha512=" MAC;
	char sha[] = "HTTP_X_WEBHOOK_HMAC_ALGORITHM=sha512";
	char md5[] = "HTTP_X_WEBHOOK_HMAC_ALGORITHM=md5";

	ck_assert(!signed_ok("other-secret", BODY, mac, sha));
	ck_assert(!signed_ok("my-secret-key", BODY " ", mac, sha));
	ck_assert(!signed_ok("my-secret-key", "", mac, sha));
	ck_assert(!signed_ok("my-secret-key", BODY, none, sha));
	ck_assert(!signed_ok("my-secret-key", BODY, empty, sha));
	ck_assert(!signed_ok("my-secret-key", BODY, cut, sha));
	ck_assert(!signed_ok("my-secret-key", BODY, more, sha));
	ck_assert(!signed_ok("my-secret-key", BODY, prefix, sha));
	ck_assert(!signed_ok("my-secret-key", BODY, mac, md5));
	mac[sizeof(mac) - 2] ^= 1;
	ck_assert(!signed_ok("my-secret-key", BODY, mac, sha));
}
END_TEST

START_TEST(without_a_secret_nothing_is_signed)
{
	/* HMAC-SHA512 of BODY under the empty key: whoever wants can compute it */
	char mac[] = "HTTP_X_WEBHOOK_HMAC="
		     "5f83a5241e826b34925f7378907c0dcb4ca910c991f80c27935190d199e4a659"
		     "9c1e94d2ca8ae6d4db3d31bd768bbbd698ae70c220ec8fc2c2dc6d5b94cf2d72";

	ck_assert(!signed_ok("", BODY, mac, NULL));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {messages_and_acks_are_told_once,
		a_status_as_waha_sends_it, an_old_waha_sends_less,
		the_time_of_another_status_is_not_taken,
		the_seeds_status_instance_releases, no_other_event_changes_a_status,
		the_session_is_looked_for_in_its_places, what_is_no_webhook_is_refused,
		members_of_the_wrong_type_are_absent, an_absurd_generation_is_nobodys,
		a_status_that_cannot_be_one_is_none,
		absurd_times_are_passed_on_as_they_are, the_published_signature_is_good,
		any_other_signature_is_not, without_a_secret_nothing_is_signed, NULL};

	return unit_main(unit_suite("gateway-waha-webhook", tests));
}
