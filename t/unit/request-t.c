#include "lib/request.h"

#include <string.h>

#include "t/unit/unit.h"

#define WITH(...) ((char *const[]){__VA_ARGS__, NULL})

/* --- the environment */

START_TEST(what_is_missing_is_empty)
{
	struct request rq;

	request_init(&rq, WITH(NULL));
	ck_assert_str_eq(rq.method, "");
	ck_assert_str_eq(rq.path, "");
	ck_assert_str_eq(rq.query, "");
	ck_assert_int_eq(rq.lang, LANG_PT);
	ck_assert_uint_eq(strlen(rq.id), 32);
	ck_assert_uint_eq(rq.body.len, 0);
	request_free(&rq);
	request_free(NULL);
}
END_TEST

START_TEST(variables_are_found_by_their_whole_name)
{
	struct request rq;

	request_init(&rq,
		WITH("REMOTE_ADDRESS=no", "REMOTE_ADDR=10.0.0.1=x", "EMPTY=",
			"REQUEST_METHOD=GET", "DOCUMENT_URI=/a b", "QUERY_STRING=q=1"));
	ck_assert_str_eq(request_env(&rq, "REMOTE_ADDR"), "10.0.0.1=x");
	ck_assert_str_eq(request_env(&rq, "EMPTY"), "");
	ck_assert_ptr_null(request_env(&rq, "REMOTE"));
	ck_assert_str_eq(rq.method, "GET");
	ck_assert_str_eq(rq.path, "/a b");
	ck_assert_str_eq(rq.query, "q=1");
	request_free(&rq);
}
END_TEST

START_TEST(the_path_of_other_servers_is_put_together)
{
	struct request rq;
	char name[400] = "SCRIPT_NAME=/";

	request_init(&rq, WITH("SCRIPT_NAME=/cgi", "PATH_INFO=/livez"));
	ck_assert_str_eq(rq.path, "/cgi/livez");
	request_init(&rq, WITH("SCRIPT_NAME=/livez"));
	ck_assert_str_eq(rq.path, "/livez");
	request_init(&rq, WITH("SCRIPT_NAME=/cgi", "DOCUMENT_URI=/x"));
	ck_assert_str_eq(rq.path, "/x");
	memset(name + strlen(name), 'x', 300);
	request_init(&rq, WITH(name));
	ck_assert_msg(*rq.path == '\0', "no cut path is taken for another");
}
END_TEST

START_TEST(headers_by_their_http_names)
{
	struct request rq;
	char longest[200];

	request_init(&rq,
		WITH("HTTP_IDEMPOTENCY_KEY=k", "CONTENT_TYPE=text/plain",
			"HTTP_CONTENT_TYPE=forged", "CONTENT_LENGTH="));
	ck_assert_str_eq(request_header(&rq, "Idempotency-Key"), "k");
	ck_assert_str_eq(request_header(&rq, "iDEMPOTENCY-key"), "k");
	ck_assert_str_eq(request_header(&rq, "Content-Type"), "text/plain");
	ck_assert_ptr_null(request_header(&rq, "Content-Length"));
	ck_assert_ptr_null(request_header(&rq, "Authorization"));
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	ck_assert_ptr_null(request_header(&rq, longest));
}
END_TEST

START_TEST(a_change_may_name_the_revision_it_was_made_from)
{
	static const struct {
		const char *header;
		bool matches; /* revision 7 */
	} cases[] = {{"HTTP_IF_MATCH=\"7\"", true}, {"HTTP_IF_MATCH=*", true},
		{"HTTP_IF_MATCH=\"6\", \"7\"", true},
		{"HTTP_IF_MATCH=\"6\",\"7\"\t", true}, {"HTTP_X=", true},
		{"HTTP_IF_MATCH=\"6\"", false}, {"HTTP_IF_MATCH=\"77\"", false},
		{"HTTP_IF_MATCH=7", false}, {"HTTP_IF_MATCH=W/\"7\"", false},
		{"HTTP_IF_MATCH=\"7\"x", false}, {"HTTP_IF_MATCH=*7", false},
		{"HTTP_IF_MATCH=", false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct request rq;

		request_init(&rq, WITH((char *)cases[i].header));
		ck_assert_msg(request_if_match(&rq, 7) == cases[i].matches, "%s",
			cases[i].header);
	}
}
END_TEST

START_TEST(a_request_id_is_taken_or_made)
{
	static const struct {
		char *env;
		bool taken;
	} cases[] = {
		{"REQUEST_ID=abcd-EFG", true},
		{"REQUEST_ID=0123456789abcdef0123456789abcdef0123456", true},
		{"REQUEST_ID=0123456789abcdef0123456789abcdef01234567", false},
		{"REQUEST_ID=abcdefg", false},
		{"REQUEST_ID=abcdefg\"h", false},
		{"REQUEST_ID=abcdefg\nh", false},
		{"REQUEST_ID=", false},
	};
	struct request rq, other;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *given = strchr(cases[i].env, '=') + 1;

		request_init(&rq, WITH(cases[i].env));
		ck_assert_msg(
			(strcmp(rq.id, given) == 0) == cases[i].taken, "case %zu", i);
		ck_assert_uint_ge(strlen(rq.id), 8);
	}
	request_init(&rq, WITH(NULL));
	request_init(&other, WITH(NULL));
	ck_assert_str_ne(rq.id, other.id);
}
END_TEST

/* --- negotiation */

START_TEST(english_only_where_it_is_preferred)
{
	static const struct {
		char *env;
		enum lang want;
	} cases[] = {
		{"HTTP_ACCEPT_LANGUAGE=", LANG_PT},
		{"HTTP_ACCEPT_LANGUAGE=*", LANG_PT},
		{"HTTP_ACCEPT_LANGUAGE=en", LANG_EN},
		{"HTTP_ACCEPT_LANGUAGE=EN-us", LANG_EN},
		{"HTTP_ACCEPT_LANGUAGE=pt-BR,pt;q=0.9,en-US;q=0.8,en;q=0.7", LANG_PT},
		{"HTTP_ACCEPT_LANGUAGE=en-US,en;q=0.9,pt;q=0.8", LANG_EN},
		{"HTTP_ACCEPT_LANGUAGE=en,pt", LANG_PT},
		{"HTTP_ACCEPT_LANGUAGE=en;q=0.5,pt;q=0.5", LANG_PT},
		{"HTTP_ACCEPT_LANGUAGE=en;q=0.501, pt;q=0.5", LANG_EN},
		{"HTTP_ACCEPT_LANGUAGE=fr, en;q=0.1", LANG_EN},
		{"HTTP_ACCEPT_LANGUAGE=fr, de", LANG_PT},
		{"HTTP_ACCEPT_LANGUAGE=en;q=0", LANG_PT},
		{"HTTP_ACCEPT_LANGUAGE=pt;q=0, *", LANG_EN},
		{"HTTP_ACCEPT_LANGUAGE=en;q=0.5, *;q=0.9", LANG_PT},
		{"HTTP_ACCEPT_LANGUAGE=eng, enx-US", LANG_PT},
		{"HTTP_ACCEPT_LANGUAGE=en ; q=0.9 , pt ; q=0.8", LANG_EN},
		{"HTTP_ACCEPT_LANGUAGE=en;q=high, pt;q=0.1", LANG_PT},
		{"HTTP_ACCEPT_LANGUAGE=en;q=2, pt;q=0.1", LANG_PT},
		{"HTTP_ACCEPT_LANGUAGE=,,;,en", LANG_EN},
		{"HTTP_ACCEPT_LANGUAGE=;;;=,q=", LANG_PT},
	};
	struct request rq;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request_init(&rq, WITH(cases[i].env));
		ck_assert_msg(rq.lang == cases[i].want, "%s", cases[i].env);
	}
}
END_TEST

START_TEST(svg_only_where_it_is_preferred)
{
	static const struct {
		char *env;
		bool want;
	} cases[] = {
		{"HTTP_ACCEPT=image/svg+xml", true},
		{"HTTP_ACCEPT=IMAGE/SVG+XML", true},
		{"HTTP_ACCEPT=image/png", false},
		{"HTTP_ACCEPT=*/*", false},
		{"HTTP_ACCEPT=image/*", false},
		{"HTTP_ACCEPT=", false},
		{"HTTP_ACCEPT=image/svg+xml,*/*;q=0.8", true},
		{"HTTP_ACCEPT=image/png,image/svg+xml", false},
		{"HTTP_ACCEPT=image/svg+xml;q=0.9,image/png", false},
		{"HTTP_ACCEPT=image/png;q=0.5,image/svg+xml;q=0.6", true},
		{"HTTP_ACCEPT=image/png;q=0.1,image/*;q=0.5", true},
		{"HTTP_ACCEPT=image/svg+xml;q=0.1,image/*;q=0.5", false},
		{"HTTP_ACCEPT=*/*;q=0.9,image/*;q=0.5,image/svg+xml;q=0.6", true},
		{"HTTP_ACCEPT=image/svg+xml;charset=utf-8;q=0.7,image/png;q=0.6", true},
		{"HTTP_ACCEPT=image/svg+xml;q=0", false},
		{"HTTP_ACCEPT=image/svg", false},
		{"HTTP_ACCEPT=imag/*,image/svg+xmlx", false},
	};
	struct request rq;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request_init(&rq, WITH(cases[i].env));
		ck_assert_msg(request_prefers(&rq, "image/svg+xml", "image/png") ==
				cases[i].want,
			"%s", cases[i].env);
	}
	request_init(&rq, WITH(NULL));
	ck_assert(!request_prefers(&rq, "image/svg+xml", "image/png"));
}
END_TEST

/* --- paths and queries */

START_TEST(paths_match_their_patterns)
{
	static const struct {
		const char *pattern, *path;
		bool match;
		const char *args[2];
	} cases[] = {
		{"/webhook", "/webhook", true, {"", ""}},
		{"/webhook", "/webhook/", false, {0}},
		{"/webhook", "/webhoo", false, {0}},
		{"/webhook", "", false, {0}},
		{"/webhook/{id}", "/webhook/7", true, {"7", ""}},
		{"/webhook/{id}", "/webhook/", false, {0}},
		{"/webhook/{id}", "/webhook", false, {0}},
		{"/webhook/{id}", "/webhook/7/", false, {0}},
		{"/webhook/{id}", "/webhook/7/8", false, {0}},
		{"/a/{x}/b", "/a/../b", true, {"..", ""}},
		{"/a/{x}/b", "/a/1/c", false, {0}},
		{"/a/{x}/b/{y}", "/a/1/b/\xc3\xa9", true, {"1", "\xc3\xa9"}},
		{"/a/{x}", "/a/\xff", false, {0}},
		{"/{a}/{b}/{c}", "/1/2/3", false, {0}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct request rq = {.path = cases[i].path};

		ck_assert_msg(request_match(&rq, cases[i].pattern) == cases[i].match,
			"%s %s", cases[i].pattern, cases[i].path);
		for (int k = 0; cases[i].match && k < 2; k++)
			ck_assert_str_eq(rq.args[k], cases[i].args[k]);
	}
}
END_TEST

START_TEST(a_placeholder_has_a_longest_value)
{
	char path[200] = "/a/";
	struct request rq = {.path = path};

	memset(path + 3, 'x', REQUEST_ARG_MAX);
	ck_assert(request_match(&rq, "/a/{id}"));
	ck_assert_uint_eq(strlen(rq.args[0]), REQUEST_ARG_MAX);
	path[3 + REQUEST_ARG_MAX] = 'x';
	ck_assert(!request_match(&rq, "/a/{id}"));
}
END_TEST

START_TEST(query_parameters_are_decoded_or_refused)
{
	static const struct {
		const char *query, *want; /* NULL: refused */
	} cases[] = {
		{"name=value", "value"},
		{"a=1&name=value&b=2", "value"},
		{"name=first&name=second", "first"},
		{"name", ""},
		{"name=", ""},
		{"name=a=b", "a=b"},
		{"name=a+b%20c%2B", "a b c+"},
		{"n%61me=x", "x"},
		{"name=%C3%a9", "\xc3\xa9"},
		{"name=1234567", "1234567"},
		{"", NULL},
		{"&&&", NULL},
		{"names=x", NULL},
		{"xname=x", NULL},
		{"name=12345678", NULL},
		{"name=%", NULL},
		{"name=%4", NULL},
		{"name=%zz", NULL},
		{"name=%00", NULL},
		{"name=%ff", NULL},
		{"name=%&name=x", NULL},
	};
	char out[8];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct request rq = {.query = cases[i].query};
		bool ok = request_query(&rq, "name", out, sizeof(out));

		ck_assert_msg(ok == (cases[i].want != NULL), "%s", cases[i].query);
		ck_assert_str_eq(out, ok ? cases[i].want : "");
	}
}
END_TEST

START_TEST(numbers_of_the_query_are_within_their_range)
{
	const struct {
		const char *query;
		int want; /* 0: refused */
	} cases[] = {
		{"", 50},
		{"other=7", 50},
		{"limit=1", 1},
		{"limit=200", 200},
		{"limit=0007", 7},
		{"limit=0", 0},
		{"limit=201", 0},
		{"limit=", 0},
		{"limit", 0},
		{"limit=-1", 0},
		{"limit=+1", 0},
		{"limit=1x", 0},
		{"limit=%201", 0},
		{"limit=4294967297", 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct request rq = {.query = cases[i].query};
		int n = 50;
		bool ok = request_query_int(&rq, "limit", 1, 200, &n);

		ck_assert_msg(ok == (cases[i].want != 0), "%s", cases[i].query);
		if (ok)
			ck_assert_int_eq(n, cases[i].want);
	}
}
END_TEST

START_TEST(words_of_the_query_are_those_that_are_asked_for)
{
	static const char *const words[] = {"up", "down", NULL};
	const struct {
		const char *query, *want; /* NULL: refused */
		const char *const *words;
	} cases[] = {{"", "as it was", words}, {"other=up", "as it was", words},
		{"w=down", "down", words}, {"w=", NULL, words}, {"w=up2", NULL, words},
		{"w=u", NULL, words}, {"w=%75p", "up", words}, {"w=any", "any", NULL},
		{"w=", "", NULL}, {"w=%ff", NULL, NULL},
		{"w=twelve+bytes", NULL, NULL}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct request rq = {.query = cases[i].query};
		char word[12] = "as it was";
		bool ok = request_query_word(
			&rq, "w", cases[i].words, word, sizeof(word));

		ck_assert_msg(ok == (cases[i].want != NULL), "%s", cases[i].query);
		if (ok)
			ck_assert_str_eq(word, cases[i].want);
	}
}
END_TEST

START_TEST(digits_of_the_query_are_digits_only)
{
	const struct {
		const char *query, *want;
	} cases[] = {{"", ""}, {"c=0", "0"},
		{"c=999999999999999999", "999999999999999999"},
		{"c=1000000000000000000", NULL}, {"c=", NULL}, {"c=-1", NULL},
		{"c=1e3", NULL}, {"c=+1", NULL}, {"c=1%00", NULL}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct request rq = {.query = cases[i].query};
		char digits[REQUEST_DIGITS_SIZE] = "";
		bool ok = request_query_digits(&rq, "c", digits, sizeof(digits));

		ck_assert_msg(ok == (cases[i].want != NULL), "%s", cases[i].query);
		if (ok)
			ck_assert_str_eq(digits, cases[i].want);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {what_is_missing_is_empty,
		variables_are_found_by_their_whole_name,
		the_path_of_other_servers_is_put_together, headers_by_their_http_names,
		a_change_may_name_the_revision_it_was_made_from,
		a_request_id_is_taken_or_made, english_only_where_it_is_preferred,
		svg_only_where_it_is_preferred, paths_match_their_patterns,
		a_placeholder_has_a_longest_value,
		query_parameters_are_decoded_or_refused,
		numbers_of_the_query_are_within_their_range,
		words_of_the_query_are_those_that_are_asked_for,
		digits_of_the_query_are_digits_only, NULL};

	return unit_main(unit_suite("request", tests));
}
