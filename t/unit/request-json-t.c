#include "lib/request.h"

#include <string.h>

#include "t/unit/unit.h"

#define WITH(...) ((char *const[]){__VA_ARGS__, NULL})

START_TEST(strict_json_accepts)
{
	static const char *const cases[] = {"{}", " [1, 2.5e3, -0, true, null] ",
		"\"text\"", "7", "{\"a\":{\"a\":1},\"b\":\"\\u00e1\\ud83d\\ude00\"}",
		"\"[[[[[[[[[[[[[[[[[[[[\"", "\"\\\"[[[[[[[[[[[[[[[[[[[[\"",
		"[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
		"[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]",
		"9223372036854775807", "\"\xc3\xa9\""};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = ERR_INIT;
		json_t *v = json_parse_strict(cases[i], strlen(cases[i]), &e);

		ck_assert_msg(v != NULL, "%s: %s", cases[i], e.text);
		json_decref(v);
	}
}
END_TEST

START_TEST(strict_json_refuses_and_says_where)
{
	static const struct {
		const char *bytes;
		size_t n;         /* 0: a string */
		const char *text; /* how the error begins */
	} cases[] = {
		{"", 0, "line 1 column 1: "},
		{"{", 0, "line 1 column 1: "},
		{"{} {}", 0, "line 1 column 4: end of file expected"},
		{"{\"a\":1,\"a\":2}", 0, "line 1 column 10: duplicate object key"},
		{"[1,\n2,\n x]", 0, "line 3 column 2: invalid token"},
		{"[1,]", 0, "line 1 column 4: "},
		{"{'a':1}", 0, "line 1 column 2: "},
		{"[01]", 0, "line 1 column 2: "},
		{"[+1]", 0, "line 1 column 2: "},
		{"[.5]", 0, "line 1 column 2: "},
		{"[NaN]", 0, "line 1 column 4: "},
		{"[9223372036854775808]", 0, "line 1 column 20: too big integer"},
		{"[-9223372036854775809]", 0,
			"line 1 column 21: too big negative integer"},
		{"[1e400]", 0, "line 1 column 6: real number overflow"},
		{"\"\\u0000\"", 0, "line 1 column 8: \\u0000 is not allowed"},
		{"{\"a\\u0000\":1}", 0, "line 1 column"},
		{"\"\\ud800\"", 0, "line 1 column"},
		{"\"a\nb\"", 0, "line 1 column 2: unexpected newline"},
		{"[1\0]", 4, "line 1 column 3: a NUL byte"},
		{"[\"\xff\"]", 0, "line 1 column 3: invalid UTF-8"},
		{"[\n\"\xc3\xa9\xed\xa0\x80\"]", 0, "line 2 column 3: invalid UTF-8"},
		{"\xef\xbb\xbf{}", 0, "line 1 column 1: "},
		{"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", 0,
			"line 1 column 17: nested deeper than 16"},
		{"{\"a\":\"\\\\\",\"b\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", 0,
			"line 1 column 30: nested deeper than 16"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = cases[i].n > 0 ? cases[i].n : strlen(cases[i].bytes);
		struct err e = ERR_INIT;

		ck_assert_msg(json_parse_strict(cases[i].bytes, n, &e) == NULL, "%s",
			cases[i].bytes);
		ck_assert_int_eq(e.code, ERR_INPUT);
		ck_assert_msg(
			strncmp(e.text, cases[i].text, strlen(cases[i].text)) == 0,
			"%s: %s", cases[i].bytes, e.text);
	}
	ck_assert_ptr_null(json_parse_strict("x", 1, NULL));
}
END_TEST

START_TEST(refusals_do_not_repeat_what_was_sent)
{
	static const char *const cases[] = {"{\"password\":hunter2}",
		"{\"hunter2\":1,\"hunter2\":2}", "{\"a\":\"hunter2", "hunter2",
		"{\"a\":1} hunter2", "[\"hunter2\\q\"]", "[1 hunter2]"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e = ERR_INIT;

		ck_assert_ptr_null(json_parse_strict(cases[i], strlen(cases[i]), &e));
		ck_assert_msg(strstr(e.text, "hunter2") == NULL, "%s", e.text);
		ck_assert_uint_gt(strlen(e.text), strlen("line 1 column 1: "));
	}
}
END_TEST

START_TEST(depth_costs_no_stack)
{
	struct err e = ERR_INIT;
	struct buf b;

	buf_init(&b, 1u << 20);
	for (int i = 0; i < 1000000; i++)
		buf_putc(&b, '[');
	ck_assert_ptr_null(json_parse_strict(buf_str(&b), b.len, &e));
	ck_assert_int_eq(e.code, ERR_INPUT);
	buf_free(&b);
}
END_TEST

static json_t *
body_json(char *type, const char *body, bool empty_ok, struct err *e)
{
	struct request rq;
	json_t *v;

	*e = (struct err)ERR_INIT;
	request_init(&rq, WITH(type));
	buf_init(&rq.body, 1000);
	buf_puts(&rq.body, body);
	v = request_json(&rq, empty_ok, e);
	request_free(&rq);
	return v;
}

START_TEST(a_body_is_an_object)
{
	struct err e;
	json_t *v = body_json("CONTENT_TYPE=application/json", "{\"a\":1}", false, &e);

	ck_assert_int_eq(json_integer_value(json_object_get(v, "a")), 1);
	json_decref(v);
	ck_assert_ptr_null(body_json("CONTENT_TYPE=", "[1]", false, &e));
	ck_assert_int_eq(e.code, ERR_INPUT);
	ck_assert_int_eq(e.status, 0);
	ck_assert_ptr_null(body_json("CONTENT_TYPE=", "nonsense", true, &e));
	ck_assert_int_eq(e.code, ERR_INPUT);
}
END_TEST

START_TEST(an_empty_body_is_an_empty_object_where_allowed)
{
	struct err e;
	json_t *v = body_json("CONTENT_TYPE=text/plain", "", true, &e);

	ck_assert(json_is_object(v));
	ck_assert_uint_eq(json_object_size(v), 0);
	json_decref(v);
	ck_assert_ptr_null(body_json("CONTENT_TYPE=", "", false, &e));
	ck_assert_int_eq(e.code, ERR_INPUT);
	ck_assert_int_eq(e.status, 0);
}
END_TEST

START_TEST(other_content_types_are_refused)
{
	static const struct {
		char *env;
		bool ok;
	} cases[] = {
		{"CONTENT_TYPE=", true},
		{"X=", true},
		{"CONTENT_TYPE=application/json", true},
		{"CONTENT_TYPE=Application/JSON; charset=utf-8", true},
		{"CONTENT_TYPE=application/json ;charset=utf-8", true},
		{"CONTENT_TYPE=application/jsonx", false},
		{"CONTENT_TYPE=application/json5", false},
		{"CONTENT_TYPE=application/x-www-form-urlencoded", false},
		{"CONTENT_TYPE=text/json", false},
		{"CONTENT_TYPE=text/plain; application/json", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err e;
		json_t *v = body_json(cases[i].env, "{}", false, &e);

		ck_assert_msg((v != NULL) == cases[i].ok, "%s", cases[i].env);
		if (v == NULL) {
			ck_assert_int_eq(e.code, ERR_INPUT);
			ck_assert_int_eq(e.status, 415);
		}
		json_decref(v);
	}
}
END_TEST

/* Two megabytes of "[{},{},..." would become some hundred when parsed. */
START_TEST(many_small_values_do_not_blow_up)
{
	static const char *const pieces[] = {"{},", "1,", "[],", "\"\","};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct err e = ERR_INIT;
		struct buf b;

		buf_init(&b, 1u << 21);
		buf_putc(&b, '[');
		for (int n = 0; n < 300000; n++)
			buf_puts(&b, pieces[i]);
		buf_puts(&b, "0]");
		ck_assert_ptr_null(json_parse_strict(buf_str(&b), b.len, &e));
		ck_assert_int_eq(e.code, ERR_INPUT);
		ck_assert_ptr_nonnull(strstr(e.text, "too many values"));
		buf_free(&b);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {strict_json_accepts,
		strict_json_refuses_and_says_where,
		refusals_do_not_repeat_what_was_sent, depth_costs_no_stack,
		many_small_values_do_not_blow_up, a_body_is_an_object,
		an_empty_body_is_an_empty_object_where_allowed,
		other_content_types_are_refused, NULL};

	return unit_main(unit_suite("request-json", tests));
}
