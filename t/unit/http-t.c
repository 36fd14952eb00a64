/* What lib/http sends, and what it makes of answers; what fails is http-failure-t's. */
#include <curl/curl.h>

#include "t/unit/http-get.h"

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* --- what is sent */

START_TEST(a_request_is_sent_as_it_was_asked_for)
{
	static const struct fake_step ok = {FAKE_JSON, 201, "{\"id\":1}"};
	const char *const headers[] = {
		"X-Api-Key: k", "Accept: application/json", NULL};
	struct http *h = http_new("", "", NULL);
	struct err e = ERR_INIT;
	struct http_answer a;
	struct fake f;
	char url[128];
	struct http_request rq = {.method = "PUT",
		.url = url,
		.headers = headers,
		.body = "{\"a\":1}",
		.body_len = 7};

	fake_start(&f, &ok, 1);
	snprintf(url, sizeof(url), "%s/api/x?y=%%20z", f.url);
	ck_assert_msg(http_call(h, &rq, deadline_in(10000), &a, &e), "%s", e.text);
	ck_assert_int_eq(a.status, 201);
	ck_assert_str_eq(a.content_type, "application/json; charset=utf-8");
	ck_assert_str_eq(buf_str(&a.body), "{\"id\":1}");
	ck_assert_int_gt(a.duration_us, 0);
	ck_assert(fake_has(&f, 0, "PUT /api/x?y=%20z HTTP/1.1"));
	ck_assert(fake_has(&f, 0, "X-Api-Key: k"));
	ck_assert(fake_has(&f, 0, "Accept: application/json"));
	ck_assert(fake_has(&f, 0, "User-Agent: wapool"));
	ck_assert_ptr_null(strcasestr(fake_seen(&f, 0), "\r\nExpect:"));
	ck_assert_str_eq(fake_body(&f, 0), "{\"a\":1}");
	http_answer_free(&a);
	fake_stop(&f);
	http_free(h);
}
END_TEST

START_TEST(a_body_is_as_long_as_was_said)
{
	static const struct fake_step ok = {FAKE_JSON, 200, ""};
	struct http *h = http_new("", "", NULL);
	struct err e = ERR_INIT;
	struct http_answer a;
	struct fake f;
	struct http_request rq = {.method = "POST", .body = "a\0bc", .body_len = 3};

	fake_start(&f, &ok, 1);
	rq.url = f.url;
	ck_assert_msg(http_call(h, &rq, deadline_in(10000), &a, &e), "%s", e.text);
	ck_assert(fake_has(&f, 0, "Content-Length: 3"));
	ck_assert_int_eq(memcmp(fake_body(&f, 0), "a\0b", 4), 0);
	http_answer_free(&a);
	fake_stop(&f);
	http_free(h);
}
END_TEST

START_TEST(the_next_call_on_a_connection_knows_nothing_of_the_last)
{
	static const struct fake_step steps[] = {
		{FAKE_JSON, 200, "first"}, {FAKE_JSON, 200, "second"}};
	const char *const headers[] = {"X-Api-Key: secret", NULL};
	struct http *h = http_new("", "", NULL);
	struct err e = ERR_INIT;
	struct http_answer a;
	struct fake f;
	struct http_request rq = {
		.method = "POST", .headers = headers, .body = "b", .body_len = 1};

	fake_start(&f, steps, 2);
	rq.url = f.url;
	ck_assert(http_call(h, &rq, deadline_in(10000), &a, &e));
	http_answer_free(&a);
	ck_assert(get(h, f.url, 10000, 0, &a, &e));
	ck_assert_str_eq(buf_str(&a.body), "second");
	ck_assert_int_eq(fake_count(&f), 2);
	ck_assert(fake_has(&f, 1, "GET /CANARY HTTP/1.1"));
	ck_assert_ptr_null(strstr(fake_seen(&f, 1), "secret"));
	ck_assert_str_eq(fake_body(&f, 1), "");
	http_answer_free(&a);
	fake_stop(&f);
	http_free(h);
}
END_TEST

/* libcurl sends a request again by itself when the connection it was kept on breaks before an answer. */
START_TEST(what_must_not_be_said_twice_is_sent_once)
{
	static const struct fake_step steps[] = {
		{FAKE_JSON, 200, "{}"}, {FAKE_RESET, 0, ""}, {FAKE_JSON, 200, "{}"}};
	struct fake f;
	struct http *h = http_new("", "", NULL);
	struct http_answer a;
	struct err e = ERR_INIT;

	fake_start(&f, steps, 3);
	struct http_request rq = {
		.method = "POST", .url = f.url, .body = "{}", .body_len = 2};
	ck_assert(http_call(h, &rq, deadline_in(5000), &a, &e));
	http_answer_free(&a);
	rq.once = true;
	ck_assert(!http_call(h, &rq, deadline_in(1500), &a, &e));
	ck_assert(a.sent);
	http_answer_free(&a);
	/* the server is busy with the kept connection: it never sees the new one */
	ck_assert_int_eq(fake_count(&f), 1);
	http_free(h);
	fake_stop(&f);
}
END_TEST

START_TEST(proxies_of_the_environment_are_ignored)
{
	static const struct fake_step ok = {FAKE_JSON, 200, "direct"};
	static const char *const names[] = {
		"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"};
	struct http *h = http_new("", "", NULL);
	struct http_answer a;
	struct err e;
	struct fake f;

	for (int i = 0; i < N(names); i++)
		setenv(names[i], "http://127.0.0.1:1", 1);
	fake_start(&f, &ok, 1);
	ck_assert_msg(get(h, f.url, 10000, 0, &a, &e), "%s", e.text);
	ck_assert_str_eq(buf_str(&a.body), "direct");
	for (int i = 0; i < N(names); i++)
		unsetenv(names[i]);
	http_answer_free(&a);
	fake_stop(&f);
	http_free(h);
}
END_TEST

START_TEST(a_header_with_a_line_break_is_refused)
{
	static const char *const bad[] = {"X-Api-Key: k\r\nX-Forged: 1",
		"X-Api-Key: k\nX-Forged: 1", "X-Api-Key: k\rX-Forged: 1"};
	struct http *h = http_new("", "", NULL);
	struct fake f;

	fake_start(&f, NULL, 0);
	for (int i = 0; i < N(bad); i++) {
		const char *const headers[] = {"Accept: */*", bad[i], NULL};
		struct http_request rq = {
			.method = "GET", .url = f.url, .headers = headers};
		struct err e = ERR_INIT;
		struct http_answer a;

		ck_assert(!http_call(h, &rq, deadline_in(10000), &a, &e));
		ck_assert_int_eq(e.code, ERR_INPUT);
		http_answer_free(&a);
	}
	ck_assert_int_eq(fake_count(&f), 0);
	fake_stop(&f);
	http_free(h);
}
END_TEST

/* --- what comes back */

START_TEST(any_status_is_an_answer)
{
	static const struct fake_step steps[] = {
		{FAKE_ANSWER, 0, "HTTP/1.1 204 No Content\r\n\r\n"},
		{FAKE_JSON, 404, "{\"message\":\"no\"}"}, {FAKE_JSON, 500, "{}"},
		{FAKE_ANSWER, 0,
			"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n"
			"Content-Length: 0\r\n\r\n"},
		{FAKE_ANSWER, 0,
			"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"
			"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"}};
	static const int want[] = {204, 404, 500, 302, 200};
	struct http *h = http_new("", "", NULL);
	struct fake f;

	fake_start(&f, steps, N(steps));
	for (int i = 0; i < N(want); i++) {
		struct http_answer a;
		struct err e;

		ck_assert_msg(get(h, f.url, 10000, 0, &a, &e), "%d: %s", i, e.text);
		ck_assert_int_eq(a.status, want[i]);
		http_answer_free(&a);
	}
	ck_assert_msg(fake_count(&f) == N(want), "a redirect was followed");
	fake_stop(&f);
	http_free(h);
}
END_TEST

START_TEST(bodies_of_every_framing)
{
	static const struct fake_step steps[] = {
		{FAKE_ANSWER, 0,
			OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"
				"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n"},
		{FAKE_ANSWER, 0, OK_HEAD "Content-Length: 5\r\n\r\nabcde"},
		{FAKE_CLOSE, 0, OK_HEAD "\r\nabcde"}, {FAKE_CLOSE, 0, OK_HEAD "\r\n"}};
	struct http *h = http_new("", "", NULL);
	struct fake f;

	fake_start(&f, steps, N(steps));
	for (int i = 0; i < N(steps); i++) {
		struct http_answer a;
		struct err e;

		ck_assert_msg(get(h, f.url, 10000, 5, &a, &e), "%d: %s", i, e.text);
		ck_assert_str_eq(buf_str(&a.body), i < 3 ? "abcde" : "");
		ck_assert_str_eq(a.content_type, "text/plain");
		http_answer_free(&a);
	}
	fake_stop(&f);
	http_free(h);
}
END_TEST

START_TEST(a_long_content_type_is_cut)
{
	char whole[400] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Type: ";
	const struct fake_step step = {FAKE_ANSWER, 0, whole};
	struct http *h = http_new("", "", NULL);
	struct http_answer a;
	struct err e;
	struct fake f;

	memset(whole + strlen(whole), 't', 200);
	memcpy(whole + strlen(whole), "\r\n\r\n", 5);
	fake_start(&f, &step, 1);
	ck_assert(get(h, f.url, 10000, 0, &a, &e));
	ck_assert_uint_eq(strlen(a.content_type), sizeof(a.content_type) - 1);
	http_answer_free(&a);
	fake_stop(&f);
	http_free(h);
}
END_TEST

/* --- threads */

struct caller {
	struct http *h;
	const char *url;
	int good;
};

static void *
call_often(void *arg)
{
	struct caller *c = arg;

	for (int i = 0; i < 20; i++) {
		struct http_answer a;
		struct err e;

		c->good += get(c->h, c->url, 10000, 0, &a, &e) && a.status == 599;
		http_answer_free(&a);
	}
	return NULL;
}

START_TEST(many_threads_share_one)
{
	struct http *h = http_new("", "", NULL);
	struct caller callers[4];
	pthread_t threads[4];
	struct fake fakes[4];

	for (int i = 0; i < 4; i++) {
		fake_start(&fakes[i], NULL, 0);
		callers[i] = (struct caller){.h = h, .url = fakes[i].url};
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_int_eq(callers[i].good, 20);
		ck_assert_int_eq(fake_count(&fakes[i]), 20);
	}
	http_free(h);
	for (int i = 0; i < 4; i++)
		fake_stop(&fakes[i]);
}
END_TEST

/* --- escaping */

START_TEST(a_path_segment_is_escaped)
{
	static const char *const cases[][2] = {{"", ""},
		{"pool-1_2.3~x", "pool-1_2.3~x"}, {"a/b?c#d", "a%2Fb%3Fc%23d"},
		{"../x", "..%2Fx"}, {" %", "%20%25"}, {"5511@c.us", "5511%40c.us"},
		{"\xc3\xa9", "%C3%A9"}, {"\n", "%0A"}};

	for (int i = 0; i < N(cases); i++) {
		struct buf out;

		buf_init(&out, 100);
		ck_assert(http_escape(&out, cases[i][0]));
		ck_assert_str_eq(buf_str(&out), cases[i][1]);
		buf_free(&out);
	}
}
END_TEST

START_TEST(an_escape_that_does_not_fit_fails)
{
	struct buf out;

	buf_init(&out, 4);
	ck_assert(!http_escape(&out, "//"));
	buf_free(&out);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {a_request_is_sent_as_it_was_asked_for,
		a_body_is_as_long_as_was_said,
		the_next_call_on_a_connection_knows_nothing_of_the_last,
		what_must_not_be_said_twice_is_sent_once,
		proxies_of_the_environment_are_ignored,
		a_header_with_a_line_break_is_refused, any_status_is_an_answer,
		bodies_of_every_framing, a_long_content_type_is_cut,
		many_threads_share_one, a_path_segment_is_escaped,
		an_escape_that_does_not_fit_fails, NULL};

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	return unit_main(unit_suite("http", tests));
}
