#include "lib/live.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "t/unit/fake-http.h"

#define USER "0b5e4a3c-7f43-4d92-9a52-6f1f1f0c7a01"
#define PATIENCE_MS 20000

static const struct fake_step taken[] = {
	{FAKE_ANSWER, 0, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"},
	{FAKE_ANSWER, 0, "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok"},
	{FAKE_ANSWER, 0, "HTTP/1.1 507 Full\r\nContent-Length: 0\r\n\r\n"},
	{FAKE_ANSWER, 0, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"}};
static const struct fake_step hangs[] = {{FAKE_HANG, 0, NULL}};

/* Nothing listens there: what is counted is not written. */
static struct db_pool *
no_database(void)
{
	struct err e = ERR_INIT;
	struct db_pool *p = db_pool_new("host=/nonexistent", "live-t", 1, 100, &e);

	ck_assert_msg(p != NULL, "%s", e.text);
	return p;
}

static struct live *
to(struct db_pool *db, const char *servers)
{
	struct err e = ERR_INIT;
	struct live *l = live_new(servers, "", db, &e);

	ck_assert_msg(l != NULL, "%s", e.text);
	return l;
}

static void
await_requests(struct fake *f, int n)
{
	deadline_t d = deadline_in(PATIENCE_MS);

	while (fake_count(f) < n && clock_sleep(5, d))
		;
	ck_assert_int_eq(fake_count(f), n);
}

START_TEST(events_are_posted_in_their_order_to_their_user)
{
	struct db_pool *db = no_database();
	struct fake f;
	struct live *l;
	char json[40];

	fake_start(&f, taken, 4);
	l = to(db, f.url);
	for (int i = 0; i < 4; i++) {
		snprintf(json, sizeof(json), "{\"n\":%d}", i);
		live_publish(l, USER, i == 0 ? "qr.updated" : "device.updated", json);
	}
	await_requests(&f, 4);
	live_free(l);
	ck_assert(fake_has(&f, 0, "POST /publish/" USER " HTTP/1.1"));
	ck_assert(fake_has(&f, 0, "X-EventSource-Event: qr.updated"));
	ck_assert(fake_has(&f, 0, "Content-Type: application/json"));
	ck_assert(fake_has(&f, 3, "X-EventSource-Event: device.updated"));
	for (int i = 0; i < 4; i++) {
		snprintf(json, sizeof(json), "{\"n\":%d}", i);
		ck_assert_str_eq(fake_body(&f, i), json); /* a 507 stops nothing */
	}
	fake_stop(&f);
	db_pool_free(db);
}
END_TEST

START_TEST(every_server_hears_whatever_the_others_do)
{
	struct db_pool *db = no_database();
	struct fake hung, well;
	struct live *l;
	char servers[200];

	fake_start(&hung, hangs, 1);
	fake_start(&well, taken, 4);
	snprintf(servers, sizeof(servers),
		"http://127.0.0.1:1 %s,unix:/nonexistent, %s", hung.url, well.url);
	l = to(db, servers);
	live_publish(l, USER, "one", "{}");
	live_publish(l, USER, "two", "{}");
	await_requests(&well, 2);
	live_free(l);
	fake_stop(&well);
	fake_stop(&hung);
	db_pool_free(db);
}
END_TEST

START_TEST(more_than_a_queue_holds_does_not_block_and_ends_in_time)
{
	struct db_pool *db = no_database();
	struct fake hung;
	struct live *l;

	fake_start(&hung, hangs, 1);
	l = to(db, hung.url);
	for (int i = 0; i < 3000; i++)
		live_publish(l, USER, "type", "{}");
	live_free(l); /* its time limit is the test: each attempt takes two seconds */
	fake_stop(&hung);
	db_pool_free(db);
}
END_TEST

START_TEST(what_was_never_used_costs_no_thread)
{
	struct db_pool *db = no_database();

	live_free(to(db, "unix:/run/wapool/live/publish.sock"));
	live_free(to(db, " , "));
	live_free(NULL);
	db_pool_free(db);
}
END_TEST

START_TEST(servers_that_are_none_are_refused_by_the_setting_s_name)
{
	static const char nine[] = "unix:/1 unix:/2 unix:/3 unix:/4 unix:/5 unix:/6 "
				   "unix:/7 unix:/8 unix:/9";
	const char *const bad[] = {"publish.sock", "unix:publish.sock",
		"ftp://10.0.0.1", "unix:", "unix:/a http", "unix:/a;unix:/b,x", nine};
	struct db_pool *db = no_database();

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = ERR_INIT;

		ck_assert_msg(live_new(bad[i], "", db, &e) == NULL, "%s", bad[i]);
		ck_assert_int_eq(e.code, ERR_CONFIG);
		ck_assert_ptr_nonnull(strstr(e.text, "LIVE_PUBLISH"));
	}
	db_pool_free(db);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {events_are_posted_in_their_order_to_their_user,
		every_server_hears_whatever_the_others_do,
		more_than_a_queue_holds_does_not_block_and_ends_in_time,
		what_was_never_used_costs_no_thread,
		servers_that_are_none_are_refused_by_the_setting_s_name, NULL};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return unit_main(unit_suite("live", tests));
}
