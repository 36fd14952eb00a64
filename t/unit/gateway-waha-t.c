#include "lib/gateway.h"

#include <curl/curl.h>

#include "lib/utf8.h"
#include "t/unit/fake-http.h"

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define W gateway_waha
#define POOL_ID "0f8fad5b-d9cb-469f-a165-70867728950e"
#define LOCKED                                                                         \
	"{\"statusCode\":500,\"exception\":{\"message\":\"async-lock timed out in "    \
	"queue s1\"},\"request\":{\"body\":{\"key\":\"CANARY\"}}}"

/* A driver's surroundings: a client, a fake server, and that server's row. */
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
	*c = (struct scene){.key = "k3y",
		.secret = "my-secret-key",
		.hook = "https://pool.example.org/webhook/1"};
	c->h = http_new("", "", NULL);
	fake_start(&c->f, steps, nsteps);
	c->s = (struct server){.kind = "waha",
		.pool_id = POOL_ID,
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

/* --- every operation by its number, for what they have in common */

enum {
	CREATE,
	START,
	RESTART,
	STOP,
	LOGOUT,
	REMOVE,
	STATE,
	LIST,
	QR,
	CODE,
	SEND,
	PING,
	NOPS
};

static bool
ignore_session(const struct session *one, void *ctx)
{
	(void)one;
	(void)ctx;
	return true;
}

static bool
run_read(struct scene *c, int op, const char *name)
{
	struct session_spec spec = {.name = name, .generation = 7};
	const struct text_message hi = {.chat = "5511999999999", .text = "hi"};
	struct gateway_status status;
	struct session session;
	struct sent sent;
	struct buf b;
	bool ok;

	buf_init(&b, 1000);
	if (op == CREATE)
		ok = W.create(c->h, &c->s, &spec, soon(), &c->e);
	else if (op == STATE)
		ok = W.state(c->h, &c->s, name, &session, soon(), &c->e);
	else if (op == LIST)
		ok = W.list(c->h, &c->s, ignore_session, NULL, soon(), &c->e);
	else if (op == QR)
		ok = W.qr(c->h, &c->s, name, &b, soon(), &c->e);
	else if (op == CODE)
		ok = W.pairing_code(
			c->h, &c->s, name, "5511999999999", &b, soon(), &c->e);
	else if (op == SEND)
		ok = W.send_text(c->h, &c->s, name, &hi, &sent, soon(), &c->e);
	else
		ok = W.ping(c->h, &c->s, &status, soon(), &c->e);
	buf_free(&b);
	return ok;
}

static bool
run(struct scene *c, int op, const char *name)
{
	if (op == START)
		return W.start(c->h, &c->s, name, soon(), &c->e);
	if (op == RESTART)
		return W.restart(c->h, &c->s, name, soon(), &c->e);
	if (op == STOP)
		return W.stop(c->h, &c->s, name, soon(), &c->e);
	if (op == LOGOUT)
		return W.logout(c->h, &c->s, name, soon(), &c->e);
	if (op == REMOVE)
		return W.remove(c->h, &c->s, name, soon(), &c->e);
	return run_read(c, op, name);
}

START_TEST(each_operation_is_one_request)
{
	static const struct {
		const char *line;
		int status;
		const char *answer;
	} ops[NOPS] = {[CREATE] = {"POST /api/sessions", 201, "{\"name\":\"s\"}"},
		[START] = {"POST /api/sessions/a%2Fb%3F%20%C3%A9/start", 201,
			"{\"name\":\"s\"}"},
		[RESTART] = {"POST /api/sessions/a%2Fb%3F%20%C3%A9/restart", 201, "{}"},
		[STOP] = {"POST /api/sessions/a%2Fb%3F%20%C3%A9/stop", 201, ""},
		[LOGOUT] = {"POST /api/sessions/a%2Fb%3F%20%C3%A9/logout", 201, "{}"},
		[REMOVE] = {"DELETE /api/sessions/a%2Fb%3F%20%C3%A9", 200, ""},
		[STATE] = {"GET /api/sessions/a%2Fb%3F%20%C3%A9", 200,
			"{\"name\":\"s\",\"status\":\"STOPPED\"}"},
		[LIST] = {"GET /api/sessions?all=true", 200, "[]"},
		[QR] = {"GET /api/a%2Fb%3F%20%C3%A9/auth/qr?format=raw", 200,
			"{\"value\":\"2@x\"}"},
		[CODE] = {"POST /api/a%2Fb%3F%20%C3%A9/auth/request-code", 201,
			"{\"code\":\"ABCD-EFGH\"}"},
		[SEND] = {"POST /api/sendText", 201, "{\"id\":\"true_1@c.us_3EB0\"}"},
		[PING] = {"GET /api/server/status", 200, "{\"version\":\"2026.2.1\"}"}};

	for (int op = 0; op < NOPS; op++) {
		const struct fake_step step = {
			FAKE_JSON, ops[op].status, ops[op].answer};
		const struct fake_step steps[] = {step, step};
		struct scene c;
		char line[128];

		begin(&c, steps, 2);
		ck_assert_msg(
			run(&c, op, "a/b? \xc3\xa9"), "%s: %s", ops[op].line, c.e.text);
		snprintf(line, sizeof(line), "%s HTTP/1.1", ops[op].line);
		ck_assert_msg(fake_has(&c.f, 0, line), "not %s but %.100s", line,
			fake_seen(&c.f, 0));
		ck_assert(fake_has(&c.f, 0, "X-Api-Key: k3y"));
		/* WAHA compares this header as a whole */
		ck_assert(fake_has(&c.f, 0, "Accept: application/json"));
		ck_assert_int_eq(fake_count(&c.f), op == PING ? 2 : 1);
		end(&c);
	}
}
END_TEST

START_TEST(no_key_no_header)
{
	static const struct fake_step step = {FAKE_JSON, 200, "[]"};
	struct scene c;

	begin(&c, &step, 1);
	c.s.key = (char[]){""};
	ck_assert(run(&c, LIST, NULL));
	ck_assert_ptr_null(strcasestr(fake_seen(&c.f, 0), "X-Api-Key"));
	end(&c);
}
END_TEST

START_TEST(a_gateway_may_live_under_a_path)
{
	static const struct fake_step step = {FAKE_JSON, 200, "[]"};
	struct scene c;
	char url[100];

	begin(&c, &step, 1);
	snprintf(url, sizeof(url), "%s/gw/1", c.f.url);
	c.s.url = url;
	ck_assert(run(&c, LIST, NULL));
	ck_assert(fake_has(&c.f, 0, "GET /gw/1/api/sessions?all=true HTTP/1.1"));
	end(&c);
}
END_TEST

START_TEST(what_does_not_fit_a_request_is_not_sent)
{
	struct scene c;
	char name[1500];

	memset(name, '/', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	begin(&c, NULL, 0);
	ck_assert(!run(&c, START, name));
	ck_assert_int_eq(c.e.code, ERR_INPUT);
	err_clear(&c.e);
	c.s.key = name;
	ck_assert(!run(&c, LIST, NULL));
	ck_assert_int_eq(c.e.code, ERR_INPUT);
	err_clear(&c.e);
	c.s.key = (char[]){"k\r\nX-Forged: 1"};
	ck_assert(!run(&c, LIST, NULL));
	ck_assert_int_eq(c.e.code, ERR_INPUT);
	err_clear(&c.e);
	c.s.key = c.key;
	ck_assert(!run(&c, CREATE, "\xff"));
	ck_assert_int_eq(c.e.code, ERR_INPUT);
	ck_assert_int_eq(fake_count(&c.f), 0);
	end(&c);
}
END_TEST

/* --- what a refusal means */

START_TEST(statuses_become_kinds_of_error)
{
	static const struct {
		int status;
		enum err_code code;
		int requests; /* of an operation that is safe to repeat */
	} cases[] = {{401, ERR_UNAUTHORIZED, 1}, {403, ERR_UNAUTHORIZED, 1},
		{404, ERR_NOT_FOUND, 1}, {409, ERR_CONFLICT, 1}, {422, ERR_CONFLICT, 1},
		{400, ERR_PROTOCOL, 1}, {302, ERR_PROTOCOL, 1}, {413, ERR_PROTOCOL, 1},
		{429, ERR_UNAVAILABLE, 3}, {500, ERR_UNAVAILABLE, 3},
		{503, ERR_UNAVAILABLE, 3}};

	for (int i = 0; i < N(cases); i++) {
		const struct fake_step step = {FAKE_JSON, cases[i].status, LOCKED};
		const struct fake_step steps[] = {step, step, step, step};
		struct scene c;

		begin(&c, steps, 4);
		ck_assert(!run(&c, START, "s1"));
		ck_assert_msg(c.e.code == cases[i].code, "%d: %s", cases[i].status,
			err_name(c.e.code));
		ck_assert_int_eq(c.e.status, cases[i].status);
		ck_assert_msg(fake_count(&c.f) == cases[i].requests, "%d: %d requests",
			cases[i].status, fake_count(&c.f));
		end(&c);
	}
}
END_TEST

START_TEST(only_what_is_safe_is_repeated)
{
	static const bool safe[NOPS] = {[START] = true,
		[RESTART] = true,
		[STOP] = true,
		[LOGOUT] = true,
		[REMOVE] = true,
		[STATE] = true,
		[LIST] = true};

	for (int op = 0; op < NOPS; op++) {
		static const struct fake_step step = {FAKE_JSON, 500, LOCKED};
		const struct fake_step steps[] = {step, step, step, step};
		struct scene c;

		begin(&c, steps, 4);
		ck_assert(!run(&c, op, "s1"));
		ck_assert_int_eq(c.e.code, ERR_UNAVAILABLE);
		ck_assert_msg(fake_count(&c.f) == (safe[op] ? 3 : 1),
			"operation %d: %d requests", op, fake_count(&c.f));
		end(&c);
	}
}
END_TEST

START_TEST(a_busy_session_is_asked_again)
{
	static const struct fake_step steps[] = {{FAKE_JSON, 500, LOCKED},
		{FAKE_RESET, 0, NULL}, {FAKE_JSON, 201, "{\"name\":\"s1\"}"}};
	struct scene c;

	begin(&c, steps, 3);
	ck_assert_msg(run(&c, START, "s1"), "%s", c.e.text);
	ck_assert_int_eq(c.e.code, ERR_NONE);
	ck_assert_int_eq(fake_count(&c.f), 3);
	end(&c);
}
END_TEST

/* A locked session is refused after 5 s: whoever asks must learn that it is the session, while he
 * still has time to take another. */
START_TEST(a_refusal_stands_if_a_repeat_gets_no_answer)
{
	static const struct fake_step steps[] = {
		{FAKE_JSON, 500, LOCKED}, {FAKE_HANG, 0, NULL}, {FAKE_HANG, 0, NULL}};
	struct scene c;

	begin(&c, steps, 3);
	ck_assert(!W.start(c.h, &c.s, "s1", deadline_in(700), &c.e));
	ck_assert_int_ge(fake_count(&c.f), 2);
	ck_assert_int_eq(c.e.code, ERR_UNAVAILABLE);
	ck_assert_int_eq(c.e.status, 500);
	end(&c);
}
END_TEST

START_TEST(what_is_gone_is_logged_out_and_removed)
{
	static const struct fake_step gone = {FAKE_JSON, 404, "{\"statusCode\":404}"};
	static const bool fine[NOPS] = {
		[STOP] = true, [LOGOUT] = true, [REMOVE] = true};

	for (int op = START; op <= STATE; op++) {
		struct scene c;

		begin(&c, &gone, 1);
		ck_assert_msg(run(&c, op, "s1") == fine[op], "operation %d", op);
		ck_assert_int_eq(c.e.code, fine[op] ? ERR_NONE : ERR_NOT_FOUND);
		end(&c);
	}
}
END_TEST

START_TEST(commands_may_answer_nothing)
{
	static const struct fake_step empty = {FAKE_JSON, 201, ""};

	for (int op = CREATE; op <= REMOVE; op++) {
		struct scene c;

		begin(&c, &empty, 1);
		ck_assert_msg(run(&c, op, "s1"), "operation %d: %s", op, c.e.text);
		end(&c);
	}
}
END_TEST

START_TEST(garbage_is_no_success)
{
	static const char *const garbage[] = {
		"<html>CANARY</html>", "OK", "{\"name\":", "{} {}", "\xff\xfe"};

	for (int op = 0; op < NOPS; op++) {
		for (int i = 0; i < N(garbage); i++) {
			const struct fake_step step = {FAKE_JSON, 200, garbage[i]};
			const struct fake_step steps[] = {step, step, step};
			struct scene c;

			begin(&c, steps, 3);
			ck_assert_msg(!run(&c, op, "s1"), "operation %d took %s", op,
				garbage[i]);
			ck_assert_int_eq(c.e.code, ERR_PROTOCOL);
			ck_assert_int_eq(fake_count(&c.f), 1);
			end(&c);
		}
	}
}
END_TEST

START_TEST(json_of_another_shape_is_no_success)
{
	static const char *const wrong[] = {"null", "7", "\"text\"", "{}", "{\"a\":1}",
		"[1]", "[[]]", "{\"name\":1,\"status\":2,\"value\":3,\"code\":4}",
		"[{\"name\":\"s\"}]", "{\"name\":\"s\",\"value\":\"\"}",
		"{\"name\":null,\"status\":\"WORKING\"}"};

	for (int op = STATE; op < NOPS; op++) {
		for (int i = 0; i < N(wrong); i++) {
			const struct fake_step step = {FAKE_JSON, 200, wrong[i]};
			const struct fake_step steps[] = {step, step, step};
			struct scene c;

			begin(&c, steps, 3);
			ck_assert_msg(!run(&c, op, "s1"), "operation %d took %s", op,
				wrong[i]);
			ck_assert_int_eq(c.e.code, ERR_PROTOCOL);
			end(&c);
		}
	}
}
END_TEST

START_TEST(the_deadline_holds_over_all_attempts)
{
	static const struct fake_step hang = {FAKE_HANG, 0, NULL};
	const struct fake_step steps[] = {hang, hang, hang, hang};
	struct scene c;

	begin(&c, steps, 4);
	ck_assert(!W.start(c.h, &c.s, "s1", deadline_in(200), &c.e));
	ck_assert_int_eq(c.e.code, ERR_TIMEOUT);
	ck_assert_int_eq(fake_count(&c.f), 1);
	end(&c);

	/* a call's own limit is shorter: then there is time for another */
	begin(&c, steps, 4);
	c.s.timeout_ms = 50;
	ck_assert(!W.start(c.h, &c.s, "s1", soon(), &c.e));
	ck_assert_int_eq(c.e.code, ERR_TIMEOUT);
	ck_assert_int_eq(fake_count(&c.f), 3);
	end(&c);
}
END_TEST

/* --- create */

START_TEST(a_session_is_made_stopped_with_our_webhook)
{
	static const struct fake_step made = {
		FAKE_JSON, 201, "{\"name\":\"pool-1-1\"}"};
	json_t *got, *want;
	struct scene c;

	begin(&c, &made, 1);
	ck_assert(run(&c, CREATE, "pool-1-1"));
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
	ck_assert(run(&c, CREATE, "s1"));
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
	ck_assert(!run(&c, CREATE, "s1"));
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

/* --- admission */

static bool
admit(void *ctx, deadline_t d, struct err *e)
{
	int *left = ctx;

	(void)d;
	return (*left)-- > 0 || err_set(e, ERR_UNAVAILABLE, "over the limit");
}

START_TEST(a_server_over_its_limit_is_not_asked)
{
	static const struct fake_step step = {FAKE_JSON, 500, LOCKED};
	const struct fake_step steps[] = {step, step, step};
	struct scene c;
	int left = 2;

	begin(&c, steps, 3);
	c.s.admit = admit;
	c.s.admit_ctx = &left;
	ck_assert(!run(&c, START, "s1"));
	/* each try counts */
	ck_assert_int_eq(fake_count(&c.f), 2);
	ck_assert_str_eq(c.e.text, "over the limit");
	end(&c);
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
	check_ping("{\"startTimestamp\":1795212000000,\"uptime\":5}",
		"{\"version\":\"2026.2.1\",\"engine\":\"NOWEB\"}", 1795212000000,
		"2026.2.1");
	check_ping("{}", "{\"version\":\"2024.10.8\"}", 0, "2024.10.8");
	check_ping("{\"startTimestamp\":\"yesterday\"}", "{\"version\":\"v\"}", 0, "v");
	check_ping("{\"startTimestamp\":1}",
		"{\"version\":\"0123456789012345678901234567890123456789\"}", 1,
		"01234567890123456789012345678901");
	check_ping("{\"startTimestamp\":1}", "{\"name\":\"not waha\"}", 0, NULL);
	check_ping("{\"startTimestamp\":1}", "{\"version\":7}", 0, NULL);
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
	ok = W.signature_ok(&s, &rq);
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

START_TEST(drivers_are_found_by_their_kind)
{
	ck_assert_ptr_eq(gateway_of("waha"), &gateway_waha);
	ck_assert_ptr_null(gateway_of("WAHA"));
	ck_assert_ptr_null(gateway_of(""));
	ck_assert_ptr_null(gateway_of("telegram"));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {each_operation_is_one_request, no_key_no_header,
		a_gateway_may_live_under_a_path,
		what_does_not_fit_a_request_is_not_sent, statuses_become_kinds_of_error,
		only_what_is_safe_is_repeated, a_busy_session_is_asked_again,
		a_refusal_stands_if_a_repeat_gets_no_answer,
		what_is_gone_is_logged_out_and_removed, commands_may_answer_nothing,
		garbage_is_no_success, json_of_another_shape_is_no_success,
		the_deadline_holds_over_all_attempts,
		a_session_is_made_stopped_with_our_webhook,
		without_an_address_no_webhook_is_asked_for, a_taken_name_is_a_conflict,
		states_are_read, a_session_tells_which_wapool_made_it,
		absurdly_long_texts_are_cut_between_characters,
		a_name_that_is_too_long_is_none_of_ours,
		a_list_is_read_in_order_and_may_be_left,
		a_list_of_many_sessions_is_not_too_long, the_raw_qr_is_what_comes_back,
		a_pairing_code_is_asked_for_a_number, a_sent_message_has_whatsapps_id,
		a_failed_message_may_have_gone_out,
		a_message_that_never_left_is_not_unknown,
		a_webhook_that_is_right_is_left_alone,
		a_lost_webhook_is_set_and_read_back,
		a_server_over_its_limit_is_not_asked,
		a_gateway_says_its_version_and_start, the_published_signature_is_good,
		any_other_signature_is_not, without_a_secret_nothing_is_signed,
		drivers_are_found_by_their_kind, NULL};

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	return unit_main(unit_suite("gateway-waha", tests));
}
