/* Shapes are those of GOWA 9.2.0's own source and openapi.yaml. */
#include <curl/curl.h>
#include <stdio.h>

#include "t/unit/gateway-scene.h"

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define G gateway_gowa
#define OK(results)                                                                    \
	"{\"code\":\"SUCCESS\",\"message\":\"fine\",\"results\":" results "}"
#define DONE "{\"code\":\"SUCCESS\",\"message\":\"fine\"}"
#define ERROR_500(message)                                                             \
	"{\"code\":\"INTERNAL_SERVER_ERROR\",\"message\":\"" message                   \
	"\",\"results\":{\"echo\":\"CANARY\"}}"
#define DEVICE(state, jid)                                                             \
	"{\"id\":\"p1\",\"display_name\":\"Maria\",\"state\":\"" state                 \
	"\",\"jid\":\"" jid "\",\"created_at\":\"2026-08-22T10:00:00Z\"}"
#define LOGIN(link)                                                                    \
	OK("{\"device_id\":\"p1\",\"qr_link\":\"" link "\",\"qr_duration\":30}")
#define PICTURE "/statics/qrcode/scan-qr-7c8e.png"

static void
begin(struct scene *c, const struct fake_step *steps, int nsteps)
{
	scene_begin(c, "gowa", "admin:s3cret", steps, nsteps);
}

static bool
state(struct scene *c, struct session *s)
{
	return G.state(c->h, &c->s, "p1", s, soon(), &c->e);
}

/* --- calls */

START_TEST(the_key_goes_as_basic_authentication)
{
	static const struct fake_step step = {
		FAKE_JSON, 200, OK(DEVICE("disconnected", ""))};
	struct session s;
	struct scene c;

	begin(&c, &step, 1);
	ck_assert_msg(state(&c, &s), "%s", c.e.text);
	ck_assert(fake_has(&c.f, 0, "GET /devices/p1 HTTP/1.1"));
	ck_assert(fake_has(&c.f, 0, "Authorization: Basic YWRtaW46czNjcmV0"));
	end(&c);
}
END_TEST

START_TEST(states_are_told_in_our_words)
{
	static const struct {
		const char *device;
		enum session_state state;
		const char *word, *phone;
	} cases[] = {{OK(DEVICE("disconnected", "")), SESSION_STOPPED, "STOPPED", ""},
		{OK(DEVICE("connected", "")), SESSION_SCAN, "SCAN_QR_CODE", ""},
		{OK(DEVICE("connecting", "")), SESSION_STARTING, "STARTING", ""},
		{OK(DEVICE("connected", "5511999990000:7@s.whatsapp.net")),
			SESSION_STARTING, "STARTING", "5511999990000@c.us"},
		{OK(DEVICE("logged_in", "5511999990000:7@s.whatsapp.net")),
			SESSION_WORKING, "WORKING", "5511999990000@c.us"},
		{OK(DEVICE("disconnected", "5511999990000@s.whatsapp.net")),
			SESSION_STOPPED, "STOPPED", "5511999990000@c.us"},
		{OK("{\"id\":\"p1\",\"state\":\"dreaming\"}"), SESSION_OTHER,
			"dreaming", ""}};

	for (int i = 0; i < N(cases); i++) {
		const struct fake_step step = {FAKE_JSON, 200, cases[i].device};
		struct session s;
		struct scene c;

		begin(&c, &step, 1);
		ck_assert_msg(state(&c, &s), "%s", c.e.text);
		ck_assert_str_eq(s.name, "p1");
		ck_assert_int_eq(s.state, cases[i].state);
		ck_assert_str_eq(s.word, cases[i].word);
		ck_assert_str_eq(s.phone, cases[i].phone);
		end(&c);
	}
}
END_TEST

START_TEST(refusals_are_told_apart_by_their_text)
{
	static const struct {
		int status;
		const char *answer;
		enum err_code code;
	} cases[] = {{500, ERROR_500("device p1 not found"), ERR_NOT_FOUND},
		{404, "{\"code\":\"DEVICE_NOT_FOUND\",\"message\":\"CANARY\"}",
			ERR_NOT_FOUND},
		{500, ERROR_500("device p1 already exists"), ERR_CONFLICT},
		{500, "{\"code\":\"SESSION_SAVED_ERROR\",\"message\":\"saved\"}",
			ERR_CONFLICT},
		{400, "{\"code\":\"ALREADY_LOGGED_IN\",\"message\":\"x\"}",
			ERR_CONFLICT},
		{401, "{\"code\":\"AUTHENTICATION_ERROR\",\"message\":\"x\"}",
			ERR_CONFLICT},
		{401, "Unauthorized", ERR_UNAUTHORIZED}, {401, "", ERR_UNAUTHORIZED},
		{404, "Cannot GET /devices/p1", ERR_PROTOCOL},
		{400, "{\"code\":\"VALIDATION_ERROR\",\"message\":\"x\"}", ERR_INPUT},
		{429, "{\"code\":\"WA_REACHOUT_TIMELOCK\",\"message\":\"x\"}",
			ERR_UNAVAILABLE},
		{500, ERROR_500("database is locked"), ERR_UNAVAILABLE},
		{500, "oops", ERR_UNAVAILABLE},
		{503, "{\"code\":\"DEVICE_MANAGER_UNAVAILABLE\",\"message\":\"x\"}",
			ERR_UNAVAILABLE},
		{504, "{\"code\":\"GATEWAY_TIMEOUT\",\"message\":\"x\"}",
			ERR_UNAVAILABLE},
		{200, "{\"code\":\"INTERNAL_SERVER_ERROR\",\"message\":\"x\"}",
			ERR_PROTOCOL},
		{200, "{}", ERR_PROTOCOL}, {200, "<html>", ERR_PROTOCOL},
		{200, "[[[[", ERR_PROTOCOL}, {200, DONE, ERR_PROTOCOL},
		{200, OK("[]"), ERR_PROTOCOL}, {200, OK("{\"id\":1}"), ERR_PROTOCOL}};

	for (int i = 0; i < N(cases); i++) {
		const struct fake_step step = {
			FAKE_JSON, cases[i].status, cases[i].answer};
		struct session s;
		struct scene c;

		begin(&c, &step, 1);
		c.s.retries = 0;
		ck_assert_msg(!state(&c, &s), "%s", cases[i].answer);
		ck_assert_msg(c.e.code == cases[i].code, "%d %s: %s", cases[i].status,
			cases[i].answer, err_name(c.e.code));
		end(&c);
	}
}
END_TEST

START_TEST(a_device_is_made_with_its_webhook)
{
	static const struct fake_step step = {
		FAKE_JSON, 200, OK(DEVICE("disconnected", ""))};
	const struct session_spec spec = {.name = "p1", .generation = 3};
	struct scene c;

	begin(&c, &step, 1);
	ck_assert_msg(G.create(c.h, &c.s, &spec, soon(), &c.e), "%s", c.e.text);
	ck_assert(fake_has(&c.f, 0, "POST /devices HTTP/1.1"));
	ck_assert_str_eq(fake_body(&c.f, 0),
		"{\"webhook_url\":\"https://pool.example.org/webhook/1\","
		"\"webhook_secret\":\"my-secret-key\","
		"\"webhook_events\":\"message,message.ack\",\"device_id\":\"p1\"}");
	end(&c);
}
END_TEST

/* GOWA signs with a word everybody knows if it is given no secret. */
START_TEST(without_a_secret_there_is_no_webhook)
{
	static const struct fake_step step = {
		FAKE_JSON, 200, OK(DEVICE("disconnected", ""))};
	const struct session_spec spec = {.name = "p1"};
	struct scene c;

	begin(&c, &step, 1);
	c.s.webhook_secret = (char[]){""};
	ck_assert(G.create(c.h, &c.s, &spec, soon(), &c.e));
	ck_assert_ptr_nonnull(strstr(fake_body(&c.f, 0), "\"webhook_url\":\"\""));
	end(&c);
}
END_TEST

START_TEST(what_is_paired_reconnects_and_what_is_not_begins_to_pair)
{
	static const struct fake_step
		paired[] = {{FAKE_JSON, 200, DONE}},
		fresh[] = {{FAKE_JSON, 500,
				   ERROR_500("device p1 client not "
					     "initialized")},
			{FAKE_JSON, 200, LOGIN("http://x" PICTURE)}},
		unpaired[] = {{FAKE_JSON, 500,
				      ERROR_500("device p1 is not logged in "
						"(session deleted)")},
			{FAKE_JSON, 200, LOGIN("http://x" PICTURE)}};
	struct scene c;

	begin(&c, paired, 1);
	ck_assert(G.restart(c.h, &c.s, "p1", soon(), &c.e));
	ck_assert(fake_has(&c.f, 0, "POST /devices/p1/reconnect HTTP/1.1"));
	ck_assert_int_eq(fake_count(&c.f), 1);
	end(&c);
	begin(&c, fresh, 2);
	ck_assert(G.restart(c.h, &c.s, "p1", soon(), &c.e));
	ck_assert(fake_has(&c.f, 1, "GET /devices/p1/login HTTP/1.1"));
	end(&c);
	begin(&c, unpaired, 2);
	ck_assert(G.restart(c.h, &c.s, "p1", soon(), &c.e));
	ck_assert(fake_has(&c.f, 1, "GET /devices/p1/login HTTP/1.1"));
	end(&c);
}
END_TEST

/* It would void the QR that somebody looks at. */
START_TEST(a_start_of_what_runs_does_nothing)
{
	static const struct fake_step runs = {FAKE_JSON, 200,
					      OK(DEVICE("connected", ""))},
				      stopped[] = {
					      {FAKE_JSON, 200,
						      OK(DEVICE("disconnected", ""))},
					      {FAKE_JSON, 200, DONE}};
	struct scene c;

	begin(&c, &runs, 1);
	ck_assert(G.start(c.h, &c.s, "p1", soon(), &c.e));
	ck_assert_int_eq(fake_count(&c.f), 1);
	end(&c);
	begin(&c, stopped, 2);
	ck_assert(G.start(c.h, &c.s, "p1", soon(), &c.e));
	ck_assert(fake_has(&c.f, 1, "POST /devices/p1/reconnect HTTP/1.1"));
	end(&c);
}
END_TEST

START_TEST(what_is_gone_is_logged_out_and_removed)
{
	static const struct fake_step gone = {
		FAKE_JSON, 500, ERROR_500("device p1 not found")};
	struct scene c;

	begin(&c, &gone, 1);
	ck_assert(G.logout(c.h, &c.s, "p1", soon(), &c.e));
	end(&c);
	begin(&c, &gone, 1);
	ck_assert(G.remove(c.h, &c.s, "p1", soon(), &c.e));
	end(&c);
	begin(&c, &gone, 1);
	ck_assert(G.stop(c.h, &c.s, "p1", soon(), &c.e));
	end(&c);
	begin(&c, &gone, 1);
	ck_assert(!G.start(c.h, &c.s, "p1", soon(), &c.e));
	ck_assert_int_eq(c.e.code, ERR_NOT_FOUND);
	end(&c);
}
END_TEST

/* It would unpair the owner's phone. */
START_TEST(what_is_paired_is_not_stopped)
{
	static const struct fake_step step = {FAKE_JSON, 200,
		OK(DEVICE("logged_in", "5511999990000@s.whatsapp.net"))};
	struct scene c;

	begin(&c, &step, 1);
	ck_assert(!G.stop(c.h, &c.s, "p1", soon(), &c.e));
	ck_assert_int_eq(c.e.code, ERR_CONFLICT);
	ck_assert_int_eq(fake_count(&c.f), 1);
	end(&c);
}
END_TEST

static bool
count(const struct session *s, void *ctx)
{
	ck_assert_str_eq(s->name, "p1");
	return ++*(int *)ctx < 2;
}

START_TEST(no_devices_at_all_are_null)
{
	static const struct {
		const char *answer;
		int n;
	} cases[] = {{OK("null"), 0}, {OK("[]"), 0},
		{OK("[" DEVICE("connected", "") "]"), 1},
		{OK("[" DEVICE("connected", "") "," DEVICE("connected", "") "," DEVICE(
			 "connected", "") "]"),
			2}};

	for (int i = 0; i < N(cases); i++) {
		const struct fake_step step = {FAKE_JSON, 200, cases[i].answer};
		struct scene c;
		int n = 0;

		begin(&c, &step, 1);
		ck_assert(G.list(c.h, &c.s, count, &n, soon(), &c.e));
		ck_assert_int_eq(n, cases[i].n);
		end(&c);
	}
}
END_TEST

/* --- pairing */

START_TEST(the_qr_is_read_from_its_picture)
{
	static const struct fake_step steps[] = {
		{FAKE_JSON, 200, LOGIN("http://10.1.2.3:3000" PICTURE)},
		{FAKE_FILE, 200, "t/fixtures/gowa-qr.png"}};
	struct buf value;
	struct scene c;

	begin(&c, steps, 2);
	buf_init(&value, 2000);
	ck_assert_msg(G.qr(c.h, &c.s, "p1", &value, soon(), &c.e), "%s", c.e.text);
	ck_assert_ptr_eq(strstr(buf_str(&value), "2@pzR/KspN6ry7"), buf_str(&value));
	/* asked of the server we know, whatever host the link names */
	ck_assert(fake_has(&c.f, 1, "GET " PICTURE " HTTP/1.1"));
	buf_free(&value);
	end(&c);
}
END_TEST

START_TEST(a_link_leads_nowhere_else)
{
	static const char *const answers[] = {LOGIN("http://169.254.169.254/latest"),
		LOGIN("http://x/statics/../admin"), LOGIN("http://x/statics/a?b=c"),
		LOGIN("http://x/statics/%2e%2e/a"), LOGIN("http://x/statics/a b"),
		LOGIN("http://x/statics/%s%s%n"), LOGIN(""), OK("{\"qr_link\":7}"),
		OK("null"), DONE};

	for (int i = 0; i < N(answers); i++) {
		const struct fake_step step = {FAKE_JSON, 200, answers[i]};
		struct buf value;
		struct scene c;

		begin(&c, &step, 1);
		buf_init(&value, 2000);
		ck_assert(!G.qr(c.h, &c.s, "p1", &value, soon(), &c.e));
		ck_assert_int_eq(c.e.code, ERR_PROTOCOL);
		ck_assert_int_eq(fake_count(&c.f), 1);
		ck_assert_uint_eq(value.len, 0);
		buf_free(&value);
		end(&c);
	}
}
END_TEST

START_TEST(a_page_in_place_of_the_picture_is_no_qr)
{
	static const struct fake_step steps[] = {
		{FAKE_JSON, 200, LOGIN("http://x" PICTURE)},
		{FAKE_JSON, 200, "<html>login</html>"}};
	struct buf value;
	struct scene c;

	begin(&c, steps, 2);
	buf_init(&value, 2000);
	ck_assert(!G.qr(c.h, &c.s, "p1", &value, soon(), &c.e));
	ck_assert_int_eq(c.e.code, ERR_PROTOCOL);
	buf_free(&value);
	end(&c);
}
END_TEST

START_TEST(a_pairing_code_is_asked_for_a_number)
{
	static const struct fake_step step = {FAKE_JSON, 200,
		OK("{\"device_id\":\"p1\",\"pair_code\":\"ABCD-EFGH\"}")};
	struct buf code;
	struct scene c;

	begin(&c, &step, 1);
	buf_init(&code, 100);
	ck_assert(
		G.pairing_code(c.h, &c.s, "p1", "5511999990000", &code, soon(), &c.e));
	ck_assert_str_eq(buf_str(&code), "ABCD-EFGH");
	ck_assert(fake_has(
		&c.f, 0, "POST /devices/p1/login/code?phone=5511999990000 HTTP/1.1"));
	buf_free(&code);
	end(&c);
}
END_TEST

/* --- messages */

START_TEST(a_text_goes_to_a_chat_of_whatsapp)
{
	static const char *const chats[][2] = {
		{"5511988887777", "5511988887777@s.whatsapp.net"},
		{"5511988887777@c.us", "5511988887777@s.whatsapp.net"},
		{"120363@g.us", "120363@g.us"}};

	for (int i = 0; i < N(chats); i++) {
		static const struct fake_step step = {FAKE_JSON, 200,
			OK("{\"message_id\":\"3EB0C1\",\"status\":\"Message sent\"}")};
		const struct text_message m = {.chat = chats[i][0], .text = "oi"};
		struct sent sent;
		struct scene c;
		char body[200];

		begin(&c, &step, 1);
		ck_assert(G.send_text(c.h, &c.s, "p1", &m, &sent, soon(), &c.e));
		ck_assert_str_eq(sent.id, "3EB0C1");
		ck_assert(fake_has(&c.f, 0, "X-Device-Id: p1"));
		snprintf(body, sizeof(body), "{\"phone\":\"%s\",\"message\":\"oi\"}",
			chats[i][1]);
		ck_assert_str_eq(fake_body(&c.f, 0), body);
		end(&c);
	}
}
END_TEST

START_TEST(a_text_is_never_sent_twice)
{
	static const struct {
		struct fake_step step;
		enum err_code code;
		bool unknown;
	} cases[] = {{{FAKE_RESET, 0, NULL}, ERR_UNAVAILABLE, true},
		{{FAKE_JSON, 200, DONE}, ERR_PROTOCOL, true},
		{{FAKE_JSON, 504, "{\"code\":\"GATEWAY_TIMEOUT\"}"}, ERR_UNAVAILABLE,
			true},
		{{FAKE_JSON, 401, "{\"code\":\"AUTHENTICATION_ERROR\"}"}, ERR_CONFLICT,
			false},
		{{FAKE_JSON, 400, "{\"code\":\"INVALID_JID\"}"}, ERR_INPUT, false}};

	for (int i = 0; i < N(cases); i++) {
		const struct text_message m = {.chat = "5511988887777", .text = "oi"};
		struct sent sent;
		struct scene c;

		begin(&c, &cases[i].step, 1);
		ck_assert(!G.send_text(c.h, &c.s, "p1", &m, &sent, soon(), &c.e));
		ck_assert_int_eq(c.e.code, cases[i].code);
		ck_assert_msg(sent.unknown == cases[i].unknown, "case %d", i);
		ck_assert_int_eq(fake_count(&c.f), 1);
		end(&c);
	}
}
END_TEST

#define HOOK(url)                                                                      \
	OK("{\"device_id\":\"p1\",\"webhook_url\":\"" url                              \
	   "\",\"webhook_secret\":\"my-secret-key\",\"webhook_events\":\"message,"     \
	   "message.ack\",\"webhook_insecure_skip_verify\":false}")

START_TEST(a_webhook_is_written_only_if_it_is_wrong)
{
	static const struct fake_step right[] = {{FAKE_JSON, 200,
		HOOK("https://pool.example.org/webhook/1")}},
				      wrong[] = {{FAKE_JSON, 200, HOOK("")},
					      {FAKE_JSON, 200, DONE},
					      {FAKE_JSON, 200,
						      HOOK("https://pool.example.org/"
							   "webhook/1")}},
				      lost[] = {{FAKE_JSON, 200, HOOK("")},
					      {FAKE_JSON, 200, DONE},
					      {FAKE_JSON, 200, HOOK("")}};
	const struct session_spec spec = {.name = "p1"};
	struct scene c;

	begin(&c, right, 1);
	ck_assert(G.set_webhook(c.h, &c.s, &spec, soon(), &c.e));
	ck_assert_int_eq(fake_count(&c.f), 1);
	end(&c);
	begin(&c, wrong, 3);
	ck_assert_msg(G.set_webhook(c.h, &c.s, &spec, soon(), &c.e), "%s", c.e.text);
	ck_assert(fake_has(&c.f, 1, "PATCH /devices/p1/webhook HTTP/1.1"));
	end(&c);
	begin(&c, lost, 3);
	ck_assert(!G.set_webhook(c.h, &c.s, &spec, soon(), &c.e));
	ck_assert_int_eq(c.e.code, ERR_PROTOCOL);
	end(&c);
}
END_TEST

START_TEST(only_gowa_answers_a_ping)
{
	static const struct fake_step v9[] = {{FAKE_JSON, 200, OK("null")},
		{FAKE_JSON, 200, OK("{\"version\":\"v9.2.0\",\"os\":\"GOWA\"}")}},
				      v8[] = {{FAKE_JSON, 200, OK("[]")},
					      {FAKE_JSON, 404, "Cannot GET /app/info"}},
				      other[] = {{FAKE_JSON, 200, "[]"}},
				      denied[] = {{FAKE_JSON, 401, "Unauthorized"}};
	struct gateway_status st;
	struct scene c;

	begin(&c, v9, 2);
	ck_assert(G.ping(c.h, &c.s, &st, soon(), &c.e));
	ck_assert_str_eq(st.version, "v9.2.0");
	end(&c);
	begin(&c, v8, 2);
	ck_assert(G.ping(c.h, &c.s, &st, soon(), &c.e));
	ck_assert_str_eq(st.version, "");
	end(&c);
	begin(&c, other, 1);
	ck_assert(!G.ping(c.h, &c.s, &st, soon(), &c.e));
	ck_assert_int_eq(c.e.code, ERR_PROTOCOL);
	end(&c);
	begin(&c, denied, 1);
	ck_assert(!G.ping(c.h, &c.s, &st, soon(), &c.e));
	ck_assert_int_eq(c.e.code, ERR_UNAUTHORIZED);
	end(&c);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {the_key_goes_as_basic_authentication,
		states_are_told_in_our_words, refusals_are_told_apart_by_their_text,
		a_device_is_made_with_its_webhook, without_a_secret_there_is_no_webhook,
		what_is_paired_reconnects_and_what_is_not_begins_to_pair,
		a_start_of_what_runs_does_nothing,
		what_is_gone_is_logged_out_and_removed, what_is_paired_is_not_stopped,
		no_devices_at_all_are_null, the_qr_is_read_from_its_picture,
		a_link_leads_nowhere_else, a_page_in_place_of_the_picture_is_no_qr,
		a_pairing_code_is_asked_for_a_number, a_text_goes_to_a_chat_of_whatsapp,
		a_text_is_never_sent_twice, a_webhook_is_written_only_if_it_is_wrong,
		only_gowa_answers_a_ping, NULL};

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	return unit_main(unit_suite("gateway-gowa", tests));
}
