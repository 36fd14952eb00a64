/* Calls by lib/http that fail: how each failure is told, and that none waits too long. */
#include <curl/curl.h>

#include "t/unit/http-get.h"

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* Asserts that one call to a server that does as `step` says fails, and how; that the
 * request has left is told, and no status made up. */
static void
check_failure(struct fake_step step, int deadline_ms, enum err_code code)
{
	struct http *h = http_new("", "", NULL);
	struct http_answer a;
	struct fake f;
	struct err e;

	fake_start(&f, &step, 1);
	ck_assert_msg(!get(h, f.url, deadline_ms, 1000, &a, &e), "kind %d, text %s: %d",
		step.kind, step.text != NULL ? step.text : "-", a.status);
	if (!a.sent && e.code == ERR_TIMEOUT && deadline_ms < 10000) {
		/* the machine paused for that long before anything had left */
		http_answer_free(&a);
		fake_stop(&f);
		http_free(h);
		check_failure(step, 2 * deadline_ms, code);
		return;
	}
	ck_assert_msg(e.code == code, "kind %d, text %s: %s: %s", step.kind,
		step.text != NULL ? step.text : "-", err_name(e.code), e.text);
	ck_assert(a.sent); /* what became of it is unknown */
	ck_assert_int_eq(e.status, 0);
	ck_assert_str_ne(e.text, "");
	ck_assert_ptr_null(strstr(e.text, "CANARY"));
	http_answer_free(&a);
	fake_stop(&f);
	http_free(h);
}

START_TEST(the_deadline_ends_every_wait)
{
	check_failure((struct fake_step){FAKE_HANG, 0, NULL}, 150, ERR_TIMEOUT);
	check_failure((struct fake_step){FAKE_HANG, 0, "HTTP/1.1 200 OK\r\nContent-"},
		150, ERR_TIMEOUT);
	check_failure((struct fake_step){FAKE_HANG, 0,
			      OK_HEAD "Content-Length: 900\r\n\r\nabc"},
		150, ERR_TIMEOUT);
	check_failure((struct fake_step){FAKE_DRIP, 0,
			      OK_HEAD "Content-Length: 900\r\n\r\nabc"},
		250, ERR_TIMEOUT);
	check_failure((struct fake_step){FAKE_DRIP, 0, "HTTP/1.1 200 OK\r\nX: "}, 250,
		ERR_TIMEOUT);
}
END_TEST

START_TEST(without_time_nothing_is_sent)
{
	struct http *h = http_new("", "", NULL);
	struct http_answer a;
	struct fake f;
	struct err e;

	fake_start(&f, NULL, 0);
	ck_assert(!get(h, f.url, -1, 0, &a, &e));
	ck_assert_int_eq(e.code, ERR_TIMEOUT);
	ck_assert_int_eq(e.status, 0);
	ck_assert_int_eq(fake_count(&f), 0);
	http_answer_free(&a);
	fake_stop(&f);
	http_free(h);
}
END_TEST

START_TEST(a_connection_that_ends_early_is_no_answer)
{
	static const struct fake_step steps[] = {{FAKE_CLOSE, 0, NULL},
		{FAKE_RESET, 0, NULL},
		{FAKE_CLOSE, 0, OK_HEAD "Content-Length: 10\r\n\r\nabc"},
		{FAKE_RESET, 0, OK_HEAD "Content-Length: 10\r\n\r\nabc"},
		{FAKE_CLOSE, 0, OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nab"},
		{FAKE_CLOSE, 0,
			OK_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"}};

	for (int i = 0; i < N(steps); i++)
		check_failure(steps[i], 10000, ERR_UNAVAILABLE);
}
END_TEST

START_TEST(what_is_not_http_is_no_answer)
{
	static const struct fake_step steps[] = {
		{FAKE_CLOSE, 0, "SSH-2.0-OpenSSH_9.2\r\n"},
		{FAKE_CLOSE, 0, "<html>hello</html>"}, {FAKE_CLOSE, 0, "{}"},
		{FAKE_CLOSE, 0, "HTTP/1.1 abc OK\r\n\r\n"},
		{FAKE_CLOSE, 0, "HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n"},
		{FAKE_CLOSE, 0, "HTTP/7.0 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{FAKE_CLOSE, 0, "\x16\x03\x01\x02"}};

	for (int i = 0; i < N(steps); i++)
		check_failure(steps[i], 10000, ERR_PROTOCOL);
}
END_TEST

START_TEST(broken_framing_is_no_answer)
{
	static const struct fake_step steps[] = {
		{FAKE_CLOSE, 0, OK_HEAD "Transfer-Encoding: chunked\r\n\r\nxyz\r\n"},
		{FAKE_CLOSE, 0, OK_HEAD "Content-Length: -1\r\n\r\n"}};
	struct http *h = http_new("", "", NULL);

	for (int i = 0; i < N(steps); i++) {
		struct http_answer a;
		struct fake f;
		struct err e;

		fake_start(&f, &steps[i], 1);
		ck_assert_msg(!get(h, f.url, 10000, 1000, &a, &e), "%d", i);
		ck_assert_msg(e.code == ERR_UNAVAILABLE || e.code == ERR_PROTOCOL,
			"%d: %s", i, e.text);
		http_answer_free(&a);
		fake_stop(&f);
	}
	http_free(h);
}
END_TEST

START_TEST(nobody_there_is_unavailable)
{
	struct http *h = http_new("", "", NULL);
	struct http_answer a;
	char url[64];
	struct err e;
	int fd, port;

	fd = fake_bind(&port);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", port);
	ck_assert(!get(h, url, 10000, 0, &a, &e));
	ck_assert_int_eq(e.code, ERR_UNAVAILABLE);
	ck_assert_ptr_null(strstr(e.text, "CANARY"));
	http_answer_free(&a);
	http_free(h);
	close(fd);
}
END_TEST

START_TEST(tls_to_who_speaks_none_is_unavailable)
{
	static const struct fake_step steps[] = {{FAKE_CLOSE, 0, "no\r\n\r\n"}};
	struct http *h = http_new("", "", NULL);
	struct http_answer a;
	char url[64];
	struct fake f;
	struct err e;

	fake_start(&f, steps, 1);
	snprintf(url, sizeof(url), "https://127.0.0.1:%d", f.port);
	/* the fake waits for a line's end that TLS never sends: the deadline ends it */
	ck_assert(!get(h, url, 150, 0, &a, &e));
	ck_assert(e.code == ERR_TIMEOUT || e.code == ERR_UNAVAILABLE);
	ck_assert_int_eq(e.status, 0);
	http_answer_free(&a);
	fake_stop(&f);
	http_free(h);
}
END_TEST

START_TEST(only_http_urls_are_called)
{
	static const char *const urls[] = {"", "http://", "ftp://127.0.0.1",
		"file:///etc/passwd", "gopher://127.0.0.1", "dict://127.0.0.1",
		"http://127.0.0.1:99999", "http://127.0.0.1:x", "http://a b",
		"http://127.0.0.1/\r\nX: y", "ldap://127.0.0.1"};
	struct http *h = http_new("", "", NULL);

	for (int i = 0; i < N(urls); i++) {
		struct http_request rq = {.method = "GET", .url = urls[i]};
		struct err e = ERR_INIT;
		struct http_answer a;

		ck_assert_msg(
			!http_call(h, &rq, deadline_in(5000), &a, &e), "%s", urls[i]);
		ck_assert_msg(e.code == ERR_INPUT, "%s: %s: %s", urls[i],
			err_name(e.code), e.text);
		http_answer_free(&a);
	}
	http_free(h);
}
END_TEST

START_TEST(an_answer_past_the_cap_is_cut_off)
{
	char whole[1200] = OK_HEAD "Content-Length: 1001\r\n\r\n";

	memset(whole + strlen(whole), 'x', 1001);
	check_failure((struct fake_step){FAKE_ANSWER, 0, whole}, 10000, ERR_TOO_LARGE);
	check_failure((struct fake_step){FAKE_FLOOD, 0, OK_HEAD "\r\n"}, 10000,
		ERR_TOO_LARGE);
	check_failure((struct fake_step){FAKE_FLOOD, 0,
			      OK_HEAD "Content-Length: 99999999999\r\n\r\n"},
		10000, ERR_TOO_LARGE);
	check_failure((struct fake_step){FAKE_FLOOD, 0,
			      OK_HEAD "Transfer-Encoding: chunked\r\n\r\nffffff\r\n"},
		10000, ERR_TOO_LARGE);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {the_deadline_ends_every_wait,
		without_time_nothing_is_sent, a_connection_that_ends_early_is_no_answer,
		what_is_not_http_is_no_answer, broken_framing_is_no_answer,
		nobody_there_is_unavailable, tls_to_who_speaks_none_is_unavailable,
		only_http_urls_are_called, an_answer_past_the_cap_is_cut_off, NULL};

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	return unit_main(unit_suite("http-failure", tests));
}
