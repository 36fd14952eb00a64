#include <curl/curl.h>

#include "lib/utf8.h"
#include "t/unit/gateway-scene.h"

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define W gateway_waha

static void
begin(struct scene *c, const struct fake_step *steps, int nsteps)
{
	scene_begin(c, "waha", "k3y", steps, nsteps);
}

/* --- create */

static bool
create(struct scene *c, const char *name)
{
	return W.create(c->h, &c->s,
		&(struct session_spec){.name = name, .generation = 7}, soon(), &c->e);
}

START_TEST(a_session_is_made_stopped_with_our_webhook)
{
	static const struct fake_step made = {
		FAKE_JSON, 201, "{\"name\":\"pool-1-1\"}"};
	json_t *got, *want;
	struct scene c;

	begin(&c, &made, 1);
	ck_assert(create(&c, "pool-1-1"));
	ck_assert(fake_has(&c.f, 0, "Content-Type: application/json"));
	got = json_loads(fake_body(&c.f, 0), 0, NULL);
	want = json_pack("{s:s, s:b, s:{s:{s:s, s:s}, s:[{s:s, s:[s,s,s,s], s:{s:s}, "
			 "s:{s:s, s:i, s:i}}]}}",
		"name", "pool-1-1", "start", 0, "config", "metadata",
		"wapool.generation", "7", "wapool.id", POOL_ID, "webhooks", "url",
		"https://pool.example.org/webhook/1", "events", "session.status",
		"message", "message.any", "message.ack", "hmac", "key", "my-secret-key",
		"retries", "policy", "constant", "delaySeconds", 2, "attempts", 15);
	ck_assert_msg(json_equal(got, want), "%s", fake_body(&c.f, 0));
	/* its default is true in some versions, so it must be there */
	ck_assert(json_is_false(json_object_get(got, "start")));
	json_decref(got);
	json_decref(want);
	end(&c);
}
END_TEST

START_TEST(without_an_address_no_webhook_is_asked_for)
{
	static const struct fake_step made = {FAKE_JSON, 201, "{}"};
	struct scene c;

	begin(&c, &made, 1);
	c.s.webhook_url = (char[]){""};
	ck_assert(create(&c, "s1"));
	ck_assert_ptr_nonnull(strstr(fake_body(&c.f, 0), "\"webhooks\":[]"));
	ck_assert_ptr_null(strstr(fake_body(&c.f, 0), "my-secret-key"));
	end(&c);
}
END_TEST

START_TEST(a_taken_name_is_a_conflict)
{
	static const struct fake_step taken = {FAKE_JSON, 422,
		"{\"message\":\"Session 's1' already exists. Use PUT to update it.\"}"};
	struct scene c;

	begin(&c, &taken, 1);
	ck_assert(!create(&c, "s1"));
	ck_assert_int_eq(c.e.code, ERR_CONFLICT);
	end(&c);
}
END_TEST

/* --- state and list */

static void
check_state(const char *answer, enum session_state state, const char *word,
	const char *phone, const char *profile)
{
	const struct fake_step step = {FAKE_JSON, 200, answer};
	struct session got;
	struct scene c;

	begin(&c, &step, 1);
	ck_assert_msg(W.state(c.h, &c.s, "s1", &got, soon(), &c.e), "%s", c.e.text);
	ck_assert_str_eq(got.name, "s1");
	ck_assert_int_eq(got.state, state);
	ck_assert_str_eq(got.word, word);
	ck_assert_str_eq(got.phone, phone);
	ck_assert_str_eq(got.profile, profile);
	end(&c);
}

START_TEST(states_are_read)
{
	check_state(
		"{\"name\":\"s1\",\"status\":\"STOPPED\",\"config\":null,\"me\":null}",
		SESSION_STOPPED, "STOPPED", "", "");
	check_state("{\"name\":\"s1\",\"status\":\"STARTING\"}", SESSION_STARTING,
		"STARTING", "", "");
	check_state("{\"name\":\"s1\",\"status\":\"SCAN_QR_CODE\",\"me\":7}",
		SESSION_SCAN, "SCAN_QR_CODE", "", "");
	check_state("{\"name\":\"s1\",\"status\":\"WORKING\",\"me\":{\"id\":"
		    "\"5511999999999@c.us\",\"pushName\":\"Ana\"}}",
		SESSION_WORKING, "WORKING", "5511999999999@c.us", "Ana");
	check_state("{\"name\":\"s1\",\"status\":\"FAILED\",\"me\":{\"id\":null}}",
		SESSION_FAILED, "FAILED", "", "");
	check_state("{\"name\":\"s1\",\"status\":\"PASSKEY_REQUIRED\"}", SESSION_OTHER,
		"PASSKEY_REQUIRED", "", "");
	check_state("{\"name\":\"s1\",\"status\":\"\"}", SESSION_OTHER, "", "", "");
	check_state("{\"name\":\"s1\",\"status\":\"working\"}", SESSION_OTHER,
		"working", "", "");
}
END_TEST

START_TEST(a_session_tells_which_wapool_made_it)
{
	static const struct {
		const char *config, *want;
	} cases[] = {{"{\"metadata\":{\"wapool.id\":\"" POOL_ID "\"}}", POOL_ID},
		{"{\"metadata\":{\"tenant\":\"t\"}}", ""}, {"{\"metadata\":null}", ""},
		{"{\"metadata\":{\"wapool.id\":7}}", ""}, {"null", ""}, {"[]", ""},
		{"{\"metadata\":{\"wapool.id\":\"" POOL_ID POOL_ID "\"}}", POOL_ID}};

	for (int i = 0; i < N(cases); i++) {
		char answer[300];
		const struct fake_step step = {FAKE_JSON, 200, answer};
		struct session got;
		struct scene c;

		snprintf(answer, sizeof(answer),
			"{\"name\":\"s1\",\"status\":\"STOPPED\",\"config\":%s}",
			cases[i].config);
		begin(&c, &step, 1);
		ck_assert(W.state(c.h, &c.s, "s1", &got, soon(), &c.e));
		ck_assert_msg(
			strcmp(got.pool_id, cases[i].want) == 0, "%s", cases[i].config);
		end(&c);
	}
}
END_TEST

/* The text, n times. */
static void
repeat(char *to, const char *text, int n)
{
	*to = '\0';
	while (n-- > 0)
		memcpy(to + strlen(to), text, strlen(text) + 1);
}

START_TEST(absurdly_long_texts_are_cut_between_characters)
{
	char answer[4000], word[300], phone[600], profile[900];
	const struct fake_step step = {FAKE_JSON, 200, answer};
	struct session got;
	struct scene c;

	repeat(word, "\xc3\xa9", 100);
	repeat(phone, "\xe2\x82\xac", 150);
	repeat(profile, "\xf0\x9f\x98\x80", 200);
	snprintf(answer, sizeof(answer),
		"{\"name\":\"s1\",\"status\":\"x%s\",\"me\":{\"id\":\"x%s\","
		"\"pushName\":\"x%s\"}}",
		word, phone, profile);
	begin(&c, &step, 1);
	ck_assert(W.state(c.h, &c.s, "s1", &got, soon(), &c.e));
	ck_assert_uint_eq(strlen(got.word), 49);
	ck_assert_uint_eq(strlen(got.phone), 64);
	ck_assert_uint_eq(strlen(got.profile), 253);
	ck_assert(utf8_valid(got.word, strlen(got.word)));
	ck_assert(utf8_valid(got.phone, strlen(got.phone)));
	ck_assert(utf8_valid(got.profile, strlen(got.profile)));
	end(&c);
}
END_TEST

START_TEST(a_name_that_is_too_long_is_none_of_ours)
{
	char answer[600] = "{\"status\":\"WORKING\",\"name\":\"";
	const struct fake_step step = {FAKE_JSON, 200, answer};
	struct session got;
	struct scene c;

	memset(answer + strlen(answer), 'x', 256);
	memcpy(answer + strlen(answer), "\"}", 3);
	begin(&c, &step, 1);
	ck_assert(!W.state(c.h, &c.s, "s1", &got, soon(), &c.e));
	ck_assert_int_eq(c.e.code, ERR_PROTOCOL);
	end(&c);
}
END_TEST

struct names {
	char text[100];
	int left;
};

static bool
note_name(const struct session *one, void *ctx)
{
	struct names *n = ctx;

	snprintf(n->text + strlen(n->text), sizeof(n->text) - strlen(n->text), "%s=%d ",
		one->name, one->state);
	return --n->left > 0;
}

START_TEST(a_list_is_read_in_order_and_may_be_left)
{
	static const struct fake_step list = {FAKE_JSON, 200,
		"[{\"name\":\"a\",\"status\":\"STOPPED\"},"
		"{\"name\":\"b\",\"status\":\"WORKING\",\"me\":{\"id\":\"1@c.us\"}},"
		"{\"name\":\"c\",\"status\":\"NEW\"}]"};
	const struct fake_step steps[] = {list, list};
	struct names all = {.left = 9}, two = {.left = 2};
	struct scene c;

	begin(&c, steps, 2);
	ck_assert(W.list(c.h, &c.s, note_name, &all, soon(), &c.e));
	ck_assert_str_eq(all.text, "a=0 b=3 c=5 ");
	ck_assert(W.list(c.h, &c.s, note_name, &two, soon(), &c.e));
	ck_assert_str_eq(two.text, "a=0 b=3 ");
	end(&c);
}
END_TEST

/* What others keep at the same gateway takes nothing from us. One with a name but without a status may be
 * ours: it is there, and no more is known. */
START_TEST(a_row_that_makes_no_sense_spoils_no_list)
{
	char answer[600] = "[{\"name\":\"a\",\"status\":\"STOPPED\"},7,{},"
			   "{\"status\":\"WORKING\"},{\"name\":\"b\"},"
			   "{\"name\":\"c\",\"status\":\"WORKING\"},"
			   "{\"status\":\"WORKING\",\"name\":\"";
	const struct fake_step step = {FAKE_JSON, 200, answer};
	struct names all = {.left = 9};
	struct scene c;

	memset(answer + strlen(answer), 'x', 256);
	memcpy(answer + strlen(answer), "\"}]", 4);
	begin(&c, &step, 1);
	ck_assert_msg(W.list(c.h, &c.s, note_name, &all, soon(), &c.e), "%s", c.e.text);
	ck_assert_int_eq(c.e.code, ERR_NONE);
	ck_assert_str_eq(all.text, "a=0 b=5 c=3 ");
	end(&c);
}
END_TEST

START_TEST(an_answer_without_a_whole_session_is_no_list)
{
	static const char *const answers[] = {
		"[7]", "[{\"name\":\"b\"},{}]", "{}", "{\"name\":\"b\"}", "null"};

	for (int i = 0; i < N(answers); i++) {
		const struct fake_step step = {FAKE_JSON, 200, answers[i]};
		struct names all = {.left = 9};
		struct scene c;

		begin(&c, &step, 1);
		ck_assert_msg(!W.list(c.h, &c.s, note_name, &all, soon(), &c.e), "%s",
			answers[i]);
		ck_assert_int_eq(c.e.code, ERR_PROTOCOL);
		end(&c);
	}
}
END_TEST

START_TEST(a_list_of_many_sessions_is_not_too_long)
{
	enum { MANY = 20000 };
	struct buf body;
	struct fake_step step = {.kind = FAKE_JSON, .status = 200};
	struct names all = {.left = 1 << 30};
	struct scene c;

	buf_init(&body, 4u << 20);
	buf_puts(&body, "[");
	for (int i = 0; i < MANY; i++)
		buf_printf(&body,
			"%s{\"name\":\"pool-1748000000-%d\",\"status\":\"STOPPED\""
			",\"config\":{\"metadata\":{\"wapool.generation\":\"1\"}}}",
			i > 0 ? "," : "", i);
	ck_assert(buf_puts(&body, "]"));
	ck_assert_uint_gt(body.len, 1u << 20);
	step.text = buf_str(&body);
	begin(&c, &step, 1);
	ck_assert_msg(W.list(c.h, &c.s, note_name, &all, soon(), &c.e), "%s", c.e.text);
	ck_assert_int_eq((1 << 30) - all.left, MANY);
	end(&c);
	buf_free(&body);
}
END_TEST

/* --- QR and code */

START_TEST(the_raw_qr_is_what_comes_back)
{
	static const struct fake_step steps[] = {
		{FAKE_JSON, 200, "{\"value\":\"2@ref,b64,b64,b64\"}"},
		{FAKE_JSON, 422, "{\"error\":\"Session status is not as expected.\"}"},
		{FAKE_JSON, 200, "{\"value\":\"2@a-qr-that-does-not-fit\"}"}};
	struct scene c;
	struct buf value;

	buf_init(&value, 20);
	begin(&c, steps, 3);
	ck_assert(W.qr(c.h, &c.s, "s1", &value, soon(), &c.e));
	ck_assert_str_eq(buf_str(&value), "2@ref,b64,b64,b64");
	buf_reset(&value);
	ck_assert(!W.qr(c.h, &c.s, "s1", &value, soon(), &c.e));
	ck_assert_int_eq(c.e.code, ERR_CONFLICT);
	err_clear(&c.e);
	ck_assert(!W.qr(c.h, &c.s, "s1", &value, soon(), &c.e));
	ck_assert_int_eq(c.e.code, ERR_PROTOCOL);
	buf_free(&value);
	end(&c);
}
END_TEST

START_TEST(a_pairing_code_is_asked_for_a_number)
{
	static const struct fake_step steps[] = {
		{FAKE_JSON, 201, "{\"code\":\"ABCD-EFGH\"}"},
		{FAKE_JSON, 201,
			"{\"code\":\"a-code-that-is-longer-than-any-code-is\"}"}};
	struct scene c;
	struct buf code;

	buf_init(&code, 100);
	begin(&c, steps, 2);
	ck_assert(
		W.pairing_code(c.h, &c.s, "s1", "5511999999999", &code, soon(), &c.e));
	ck_assert_str_eq(buf_str(&code), "ABCD-EFGH");
	ck_assert_str_eq(fake_body(&c.f, 0), "{\"phoneNumber\":\"5511999999999\"}");
	ck_assert(
		!W.pairing_code(c.h, &c.s, "s1", "5511999999999", &code, soon(), &c.e));
	ck_assert_int_eq(c.e.code, ERR_PROTOCOL);
	buf_free(&code);
	end(&c);
}
END_TEST

/* --- messages */

START_TEST(a_sent_message_has_whatsapps_id)
{
	static const struct {
		const char *answer, *id;
	} cases[] = {{"{\"key\":{\"remoteJid\":\"1@s.whatsapp.net\",\"id\":\"3EB0F\"}}",
			     "3EB0F"},
		{"{\"id\":\"true_5511999999999@c.us_3EB0F\"}", "3EB0F"},
		{"{\"id\":\"true_12@g.us_3EB0F_5511999999999@c.us\"}", "3EB0F"},
		{"{\"id\":{\"_serialized\":\"true_1@c.us_3EB0F\"}}", "3EB0F"}};
	const struct text_message m = {.chat = "5511999999999", .text = "oi"};

	for (int i = 0; i < N(cases); i++) {
		const struct fake_step step = {FAKE_JSON, 201, cases[i].answer};
		struct sent sent;
		struct scene c;

		begin(&c, &step, 1);
		ck_assert(W.send_text(c.h, &c.s, "s1", &m, &sent, soon(), &c.e));
		ck_assert_str_eq(sent.id, cases[i].id);
		ck_assert(!sent.unknown);
		ck_assert_str_eq(fake_body(&c.f, 0),
			"{\"session\":\"s1\",\"chatId\":\"5511999999999@c.us\","
			"\"text\":\"oi\"}");
		end(&c);
	}
}
END_TEST

/* Sending again after an unknown outcome may say it twice: the caller must know. */
START_TEST(a_failed_message_may_have_gone_out)
{
	static const struct {
		struct fake_step step;
		bool unknown;
	} cases[] = {{{FAKE_HANG, 0, NULL}, true}, {{FAKE_RESET, 0, NULL}, true},
		{{FAKE_JSON, 500, "{}"}, true}, {{FAKE_JSON, 504, "{}"}, true},
		{{FAKE_JSON, 201, "{}"}, true}, {{FAKE_JSON, 201, "nonsense"}, true},
		{{FAKE_JSON, 422, "{}"}, false}, {{FAKE_JSON, 401, "{}"}, false},
		{{FAKE_JSON, 503, "{}"}, false}, {{FAKE_JSON, 429, "{}"}, false}};
	const struct text_message m = {.chat = "12@g.us", .text = "oi"};

	for (int i = 0; i < N(cases); i++) {
		struct sent sent;
		struct scene c;

		begin(&c, &cases[i].step, 1);
		c.s.timeout_ms = 300;
		ck_assert(!W.send_text(c.h, &c.s, "s1", &m, &sent, soon(), &c.e));
		ck_assert_msg(
			sent.unknown == cases[i].unknown, "case %d: %s", i, c.e.text);
		ck_assert_int_eq(fake_count(&c.f), 1);
		end(&c);
	}
}
END_TEST

START_TEST(a_message_that_never_left_is_not_unknown)
{
	const struct text_message m = {.chat = "12@g.us", .text = "oi"};
	struct sent sent = {.unknown = true};
	struct scene c;

	begin(&c, NULL, 0);
	c.s.url = (char[]){"http://127.0.0.1:1"};
	ck_assert(!W.send_text(c.h, &c.s, "s1", &m, &sent, soon(), &c.e));
	ck_assert_int_eq(c.e.code, ERR_UNAVAILABLE);
	ck_assert(!sent.unknown);
	end(&c);
}
END_TEST

/* --- webhooks of a session */

#define WEBHOOK(url)                                                                   \
	"{\"name\":\"s1\",\"status\":\"WORKING\",\"config\":{\"debug\":false,"         \
	"\"metadata\":{\"wapool.generation\":\"7\",\"wapool.id\":\"" POOL_ID           \
	"\"},\"webhooks\":[{\"url\":\"" url "\",\"events\":[\"session.status\","       \
	"\"message\",\"message.any\",\"message.ack\"],\"hmac\":{\"key\":"              \
	"\"my-secret-key\"},\"retries\":{\"policy\":\"constant\",\"delaySeconds\":2,"  \
	"\"attempts\":15},\"customHeaders\":null}]}}"

static bool
set_webhook(struct scene *c, const struct fake_step *steps, int n)
{
	const struct session_spec spec = {.name = "s1", .generation = 7};

	begin(c, steps, n);
	return W.set_webhook(c->h, &c->s, &spec, soon(), &c->e);
}

START_TEST(a_webhook_that_is_right_is_left_alone)
{
	static const struct fake_step right = {
		FAKE_JSON, 200, WEBHOOK("https://pool.example.org/webhook/1")};
	struct scene c;

	ck_assert_msg(set_webhook(&c, &right, 1), "%s", c.e.text);
	ck_assert_int_eq(fake_count(&c.f), 1);
	end(&c);
}
END_TEST

START_TEST(a_lost_webhook_is_set_and_read_back)
{
	static const struct fake_step
		wrong = {FAKE_JSON, 200, WEBHOOK("https://elsewhere.example/")},
		none = {FAKE_JSON, 200,
			"{\"name\":\"s1\",\"status\":\"STOPPED\",\"config\":null}"},
		right = {FAKE_JSON, 200, WEBHOOK("https://pool.example.org/webhook/1")};
	const struct fake_step steps[][3] = {
		{wrong, right, right}, {none, right, right}, {none, none, none}};

	for (int i = 0; i < N(steps); i++) {
		struct scene c;
		bool ok = set_webhook(&c, steps[i], 3);

		ck_assert_msg(ok == (i < 2), "case %d: %s", i, c.e.text);
		ck_assert_int_eq(c.e.code, ok ? ERR_NONE : ERR_PROTOCOL);
		ck_assert_int_eq(fake_count(&c.f), 3);
		ck_assert(fake_has(&c.f, 1, "PUT /api/sessions/s1 HTTP/1.1"));
		end(&c);
	}
}
END_TEST

/* --- ping */

static void
check_ping(const char *status, const char *version, int64_t started, const char *want)
{
	const struct fake_step steps[] = {
		{FAKE_JSON, 200, status}, {FAKE_JSON, 200, version}};
	struct gateway_status got;
	struct scene c;

	begin(&c, steps, 2);
	ck_assert_msg(W.ping(c.h, &c.s, &got, soon(), &c.e) == (want != NULL), "%s %s",
		status, version);
	if (want != NULL) {
		ck_assert_str_eq(got.version, want);
		ck_assert_int_eq(got.started_ms, started);
		ck_assert(fake_has(&c.f, 1, "GET /api/server/version HTTP/1.1"));
	} else {
		ck_assert_int_eq(c.e.code, ERR_PROTOCOL);
	}
	end(&c);
}

START_TEST(a_gateway_says_its_version_and_start)
{
	check_ping("{\"startTimestamp\":1700000000000,\"uptime\":5}",
		"{\"version\":\"2026.2.1\",\"engine\":\"NOWEB\"}", 1700000000000,
		"2026.2.1");
	check_ping("{}", "{\"version\":\"2024.10.8\"}", 0, "2024.10.8");
	check_ping("{\"startTimestamp\":\"yesterday\"}", "{\"version\":\"v\"}", 0, "v");
	check_ping("{\"startTimestamp\":1}",
		"{\"version\":\"0123456789012345678901234567890123456789\"}", 0,
		"01234567890123456789012345678901");
	check_ping("{\"startTimestamp\":1}", "{\"name\":\"not waha\"}", 0, NULL);
	check_ping("{\"startTimestamp\":1}", "{\"version\":7}", 0, NULL);
}
END_TEST

static void
check_start(int64_t says, int64_t believed)
{
	char status[64];

	snprintf(status, sizeof(status), "{\"startTimestamp\":%lld}", (long long)says);
	check_ping(status, "{\"version\":\"v\"}", believed, "v");
}

START_TEST(a_start_that_cannot_be_is_none)
{
	int64_t now = clock_wall_ms();

	check_start(now, now);
	check_start(now + 240000, now + 240000); /* clocks differ a little */
	check_start(now + 600000, 0);
	check_start(now / 1000, 0); /* seconds */
	check_start(-1, 0);
	check_start(9000000000000000000, 0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {a_session_is_made_stopped_with_our_webhook,
		without_an_address_no_webhook_is_asked_for, a_taken_name_is_a_conflict,
		states_are_read, a_session_tells_which_wapool_made_it,
		absurdly_long_texts_are_cut_between_characters,
		a_name_that_is_too_long_is_none_of_ours,
		a_list_is_read_in_order_and_may_be_left,
		a_row_that_makes_no_sense_spoils_no_list,
		an_answer_without_a_whole_session_is_no_list,
		a_list_of_many_sessions_is_not_too_long, the_raw_qr_is_what_comes_back,
		a_pairing_code_is_asked_for_a_number, a_sent_message_has_whatsapps_id,
		a_failed_message_may_have_gone_out,
		a_message_that_never_left_is_not_unknown,
		a_webhook_that_is_right_is_left_alone,
		a_lost_webhook_is_set_and_read_back,
		a_gateway_says_its_version_and_start, a_start_that_cannot_be_is_none,
		NULL};

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	return unit_main(unit_suite("gateway-waha", tests));
}
