#include "lib/deliver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/event.h"
#include "t/unit/unit.h"

static struct verdict
after(int status, int n, int64_t retry_after_s)
{
	const struct delivery_answer a = {
		.status = status, .retry_after_s = retry_after_s};

	return deliver_verdict(&a, n);
}

START_TEST(waits_follow_the_schedule_with_a_fifth_of_jitter)
{
	static const int64_t s[] = {
		5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400};
	struct verdict v;

	for (int n = 1; n < DELIVER_ATTEMPTS; n++) {
		for (int i = 0; i < 50; i++) {
			v = after(500, n, 0);
			ck_assert(!v.park && !v.gone);
			ck_assert_int_ge(v.wait_ms, s[n - 1] * 800);
			ck_assert_int_le(v.wait_ms, s[n - 1] * 1200);
		}
	}
}
END_TEST

START_TEST(the_tenth_failure_parks)
{
	ck_assert(!after(500, 9, 0).park);
	ck_assert(after(500, 10, 0).park);
	ck_assert(after(0, 11, 0).park);
}
END_TEST

START_TEST(gone_is_gone_at_once)
{
	ck_assert(after(410, 1, 0).gone);
	ck_assert(after(410, 1, 0).park);
	ck_assert(!after(404, 1, 0).gone);
}
END_TEST

START_TEST(retry_after_is_granted_within_bounds)
{
	ck_assert_int_eq(after(503, 1, 120).wait_ms, 120000);
	ck_assert_int_eq(after(503, 1, 599).wait_ms, 599000);
	ck_assert_int_eq(after(503, 1, 1000000).wait_ms, 600000);
	ck_assert_int_eq(after(503, 3, 3000).wait_ms, 3000000);
	ck_assert_int_eq(after(503, 3, INT64_MAX).wait_ms, 3600000);
	ck_assert_int_ge(after(503, 2, 1).wait_ms, 240000); /* not sooner */
	ck_assert_int_ge(after(503, 2, -5).wait_ms, 240000);
	ck_assert_int_ge(after(429, 1, 0).wait_ms, 48000);
}
END_TEST

START_TEST(only_who_is_down_is_left_in_peace_altogether)
{
	static const int down[] = {0, 429, 502, 503, 504}, refused[] = {302, 400, 500};

	for (size_t i = 0; i < sizeof(down) / sizeof(down[0]); i++) {
		ck_assert_int_gt(after(down[i], 1, 0).quiet_ms, 0);
		ck_assert_int_le(after(down[i], 9, 0).quiet_ms, 300000);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		ck_assert_int_eq(after(refused[i], 1, 0).quiet_ms, 0);
}
END_TEST

/* --- What a gateway's event becomes (lib/event) --- */

static char *
told(const struct gateway_event *ev)
{
	json_t *o = event_of_gateway(ev);
	char *text = o != NULL ? json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

	json_decref(o);
	return text;
}

START_TEST(a_message_is_normalised)
{
	struct gateway_event ev = {.kind = EVENT_MESSAGE,
		.event = "message",
		.id = "evt_1",
		.message_id = "3EB0",
		.chat = "55@c.us",
		.text = "oi"};
	char *text = told(&ev);

	ck_assert_str_eq(text,
		"{\"data\":{\"chat\":\"55@c.us\",\"gatewayEventId\":\"evt_1\","
		"\"messageId\":\"3EB0\",\"text\":\"oi\"},\"once\":\"message|3EB0\","
		"\"type\":\"message.received\"}");
	free(text);
	ev.media = "https://gw/file.jpg";
	ev.text = NULL;
	text = told(&ev);
	ck_assert_ptr_nonnull(strstr(text, "\"mediaUrl\":\"https://gw/file.jpg\""));
	ck_assert_ptr_null(strstr(text, "\"text\""));
	free(text);
}
END_TEST

START_TEST(an_ack_is_told_once_per_step)
{
	struct gateway_event ev = {.kind = EVENT_ACK,
		.event = "message.ack",
		.message_id = "3EB0",
		.ack = ACK_READ};
	char *text = told(&ev);

	ck_assert_str_eq(text,
		"{\"data\":{\"ack\":\"read\",\"messageId\":\"3EB0\"},"
		"\"once\":\"ack|read|3EB0\",\"type\":\"message.ack\"}");
	free(text);
	ev.ack = 9;
	ck_assert_ptr_null(told(&ev));
}
END_TEST

START_TEST(what_is_nobodys_message_is_not_told)
{
	struct gateway_event ev = {.kind = EVENT_MESSAGE, .event = "message"};

	ck_assert_ptr_null(told(&ev)); /* no id to tell it once by */
	snprintf(ev.message_id, sizeof(ev.message_id), "3EB0");
	ev.from_me = true;
	ck_assert_ptr_null(told(&ev));
	ev.from_me = false;
	ev.kind = EVENT_STATUS;
	ck_assert_ptr_null(told(&ev));
}
END_TEST

START_TEST(types_are_those_of_the_documents)
{
	size_t n = 0;

	while (event_type(n) != NULL)
		ck_assert(event_type_valid(event_type(n++)));
	ck_assert_uint_eq(n, 6);
	ck_assert(!event_type_valid("webhook.test"));
	ck_assert(!event_type_valid(NULL));
}
END_TEST

START_TEST(a_body_is_json)
{
	struct buf out;

	buf_init(&out, 1000);
	ck_assert(event_body(&out, "device.connected", "2026-01-31T12:00:00.000Z", "d",
		"{\"a\": 1}"));
	ck_assert_str_eq(buf_str(&out),
		"{\"type\":\"device.connected\",\"timestamp\":\"2026-01-31T12:00:00."
		"000Z\","
		"\"device_id\":\"d\",\"data\":{\"a\": 1}}");
	buf_free(&out);
	buf_init(&out, 50);
	ck_assert(!event_body(
		&out, "device.connected", "2026-01-31T12:00:00.000Z", NULL, "{}"));
	buf_free(&out);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("deliver");
	TCase *t = tcase_create("deliver");

	suite_add_tcase(s, t);
	tcase_add_test(t, waits_follow_the_schedule_with_a_fifth_of_jitter);
	tcase_add_test(t, the_tenth_failure_parks);
	tcase_add_test(t, gone_is_gone_at_once);
	tcase_add_test(t, retry_after_is_granted_within_bounds);
	tcase_add_test(t, only_who_is_down_is_left_in_peace_altogether);
	tcase_add_test(t, a_message_is_normalised);
	tcase_add_test(t, an_ack_is_told_once_per_step);
	tcase_add_test(t, what_is_nobodys_message_is_not_told);
	tcase_add_test(t, types_are_those_of_the_documents);
	tcase_add_test(t, a_body_is_json);
	return unit_main(s);
}
