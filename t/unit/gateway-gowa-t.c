/* Shapes are those of GOWA 9.2.0's own source and openapi.yaml. */
#include "lib/gateway.h"

#include <curl/curl.h>
#include <stdio.h>

#include "t/unit/fake-http.h"

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

struct scene {
	struct http *h;
	struct fake f;
	struct server s;
	struct err e;
	char key[32], secret[32], hook[64];
};

static void
begin(struct scene *c, const struct fake_step *steps, int nsteps)
{
	*c = (struct scene){.key = "admin:s3cret",
		.secret = "my-secret-key",
		.hook = "https://pool.example.org/webhook/1"};
	c->h = http_new("", "", NULL);
	fake_start(&c->f, steps, nsteps);
	c->s = (struct server){.kind = "gowa",
		.url = c->f.url,
		.key = c->key,
		.webhook_secret = c->secret,
		.webhook_url = c->hook,
		.timeout_ms = 10000,
		.retries = 2};
}

static void
end(struct scene *c)
{
	ck_assert_msg(strstr(c->e.text, "CANARY") == NULL, "an answer is quoted: %s",
		c->e.text);
	http_free(c->h);
	fake_stop(&c->f);
}

static deadline_t
soon(void)
{
	return deadline_in(20000);
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

/* --- webhooks */

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
		only_gowa_answers_a_ping, a_message_is_read, receipts_are_acks,
		any_shape_of_event_is_survived, what_is_no_event_is_refused,
		the_signature_covers_the_raw_body, NULL};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return unit_main(unit_suite("gateway-gowa", tests));
}
