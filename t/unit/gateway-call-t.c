/* What all drivers do alike, by the operations of one of them. */
#include <curl/curl.h>

#include "t/unit/gateway-scene.h"

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define W gateway_waha
#define LOCKED                                                                         \
	"{\"statusCode\":500,\"exception\":{\"message\":\"async-lock timed out in "    \
	"queue s1\"},\"request\":{\"body\":{\"key\":\"CANARY\"}}}"

static void
begin(struct scene *c, const struct fake_step *steps, int nsteps)
{
	scene_begin(c, "waha", "k3y", steps, nsteps);
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
	ck_assert_int_eq(fake_await(&c.f, 1), 1);
	end(&c);

	/* a call's own limit is shorter: then there is time for another */
	begin(&c, steps, 4);
	c.s.timeout_ms = 200;
	ck_assert(!W.start(c.h, &c.s, "s1", soon(), &c.e));
	ck_assert_int_eq(c.e.code, ERR_TIMEOUT);
	ck_assert_int_eq(fake_await(&c.f, 3), 3);
	end(&c);
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

static bool
note_state(const struct session *one, void *ctx)
{
	char *seen = ctx;
	size_t n = strlen(seen);

	snprintf(seen + n, 100 - n, "%s=%s;", one->name, one->word);
	return true;
}

START_TEST(every_driver_leaves_out_what_is_no_session)
{
	static const struct {
		const char *kind, *answer;
	} cases[] = {{"waha",
			     "[{\"status\":\"WORKING\"},{\"name\":\"b\"},"
			     "{\"name\":\"c\",\"status\":\"WORKING\"}]"},
		{"evolution",
			"[{\"connectionStatus\":\"open\"},{\"name\":\"b\"},"
			"{\"name\":\"c\",\"connectionStatus\":\"open\"}]"},
		{"evolution",
			"[{\"instance\":{\"status\":\"open\"}},"
			"{\"instance\":{\"instanceName\":\"b\"}},"
			"{\"instance\":{\"instanceName\":\"c\","
			"\"status\":\"open\"}}]"},
		{"gowa",
			"{\"code\":\"SUCCESS\",\"results\":["
			"{\"state\":\"logged_in\"},{\"id\":\"b\"},"
			"{\"id\":\"c\",\"state\":\"logged_in\"}]}"}};

	for (int i = 0; i < N(cases); i++) {
		const struct fake_step step = {FAKE_JSON, 200, cases[i].answer};
		char seen[100] = "";
		struct scene c;

		scene_begin(&c, cases[i].kind, "key", &step, 1);
		ck_assert_msg(gateway_of(cases[i].kind)
				      ->list(c.h, &c.s, note_state, seen, soon(), &c.e),
			"%s: %s", cases[i].kind, c.e.text);
		ck_assert_str_eq(seen, "b=;c=WORKING;");
		end(&c);
	}
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
		a_server_over_its_limit_is_not_asked,
		every_driver_leaves_out_what_is_no_session,
		drivers_are_found_by_their_kind, NULL};

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	return unit_main(unit_suite("gateway-call", tests));
}
