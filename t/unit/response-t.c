#include "lib/response.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "t/unit/unit.h"

static char *const env_pt[] = {
	"REQUEST_METHOD=GET", "DOCUMENT_URI=/a\"b", "REQUEST_ID=id-0123456789", NULL};
static char *const env_en[] = {"REQUEST_METHOD=GET", "DOCUMENT_URI=/x",
	"REQUEST_ID=id-0123456789", "HTTP_ACCEPT_LANGUAGE=en", NULL};

/* The value of a header line in rs->headers, copied to out; "" if it is not there. */
static const char *
header(const struct response *rs, const char *name, char out[100])
{
	const char *at = buf_str(&rs->headers);
	size_t n = strlen(name);

	out[0] = '\0';
	for (; *at != '\0'; at = strchr(at, '\n') + 1)
		if (strncmp(at, name, n) == 0 && strncmp(at + n, ": ", 2) == 0)
			snprintf(out, 100, "%.*s", (int)strcspn(at + n + 2, "\r"),
				at + n + 2);
	return out;
}

static void
check_rendered(const struct response *rs, bool head_only, const char *want)
{
	struct buf out;

	buf_init(&out, 10000);
	ck_assert(response_render(rs, head_only, &out));
	ck_assert_str_eq(buf_str(&out), want);
	buf_free(&out);
}

START_TEST(a_forgotten_answer_is_a_500)
{
	struct response rs;

	response_init(&rs);
	ck_assert_int_eq(rs.status, 500);
	ck_assert_uint_eq(rs.body.len, 0);
	response_free(&rs);
	response_free(NULL);
}
END_TEST

START_TEST(an_answer_is_rendered_as_cgi)
{
	struct response rs;

	response_init(&rs);
	response_header(&rs, "X-One", "1");
	response_json(
		&rs, 201, json_pack("{s:b, s:s}", "success", 1, "m", "ol\xc3\xa1"));
	check_rendered(&rs, false,
		"Status: 201 Created\r\nContent-Type: application/json\r\n"
		"Content-Length: 27\r\nX-One: 1\r\nCache-Control: no-store\r\n\r\n"
		"{\"success\":true,\"m\":\"ol\xc3\xa1\"}");
	check_rendered(&rs, true,
		"Status: 201 Created\r\nContent-Type: application/json\r\n"
		"Content-Length: 27\r\nX-One: 1\r\nCache-Control: no-store\r\n\r\n");
	response_free(&rs);
}
END_TEST

START_TEST(statuses_without_a_body_have_none)
{
	struct response rs;

	response_init(&rs);
	response_bytes(&rs, 204, "text/plain", "x", 1);
	check_rendered(&rs, false,
		"Status: 204 No Content\r\nCache-Control: no-store\r\n\r\n");
	response_free(&rs);
}
END_TEST

START_TEST(a_handlers_own_cache_control_stays)
{
	struct response rs;
	char value[100];

	response_init(&rs);
	response_header(&rs, "cache-control", "max-age=5");
	response_bytes(&rs, 200, "text/plain", "x", 1);
	ck_assert_str_eq(header(&rs, "cache-control", value), "max-age=5");
	ck_assert_str_eq(header(&rs, "Cache-Control", value), "");
	response_free(&rs);
}
END_TEST

START_TEST(headers_cannot_be_split)
{
	struct response rs;

	response_init(&rs);
	response_header(&rs, "X-A", "a\r\nX-B: b");
	response_header(&rs, "X-A", "a\n");
	response_header(&rs, "X-A\r\nX-B", "b");
	response_header(&rs, "X-A: x", "b");
	ck_assert_uint_eq(rs.headers.len, 0);
	response_header(&rs, "X-A", "");
	ck_assert_str_eq(buf_str(&rs.headers), "X-A: \r\n");
	response_free(&rs);
}
END_TEST

START_TEST(too_many_headers_do_not_cost_the_answer)
{
	struct response rs;
	struct buf out;
	char value[1001];

	log_setup("unit", LOG_ERROR);
	memset(value, 'v', 1000);
	value[1000] = '\0';
	response_init(&rs);
	for (int i = 0; i < 100; i++)
		response_header(&rs, "X-Many", value);
	response_bytes(&rs, 200, "text/plain", "x", 1);
	buf_init(&out, RESPONSE_MAX);
	ck_assert(response_render(&rs, false, &out));
	buf_free(&out);
	response_free(&rs);
}
END_TEST

START_TEST(what_cannot_be_built_is_an_empty_500)
{
	static char big[RESPONSE_MAX + 1];
	struct response rs;
	struct buf out;

	log_setup("unit", (enum log_level)(LOG_ERROR + 1));
	response_init(&rs);
	response_header(&rs, "X-Accel-Redirect", "/secret");
	response_json(&rs, 200, NULL);
	ck_assert_int_eq(rs.status, 500);
	ck_assert_uint_eq(rs.headers.len + rs.body.len, 0);
	response_bytes(&rs, 200, "text/plain", big, sizeof(big));
	ck_assert_int_eq(rs.status, 500);
	ck_assert_uint_eq(rs.headers.len + rs.body.len, 0);
	response_json(
		&rs, 200, json_stringn(memset(big, 'a', sizeof(big)), sizeof(big)));
	ck_assert_int_eq(rs.status, 500);
	response_bytes(&rs, 200, "text/plain", "ok", 2);
	buf_init(&out, 10);
	ck_assert(!response_render(&rs, false, &out));
	buf_free(&out);
	response_free(&rs);
}
END_TEST

START_TEST(a_problem_has_all_members_in_order)
{
	struct request rq;
	struct response rs;
	char value[100];

	request_init(&rq, env_pt);
	response_init(&rs);
	response_problem(&rs, &rq, PROBLEM_POOL_EMPTY, NULL);
	ck_assert_int_eq(rs.status, 503);
	ck_assert_str_eq(rs.content_type, "application/problem+json");
	ck_assert_str_eq(header(&rs, "Retry-After", value), "2");
	ck_assert_str_eq(header(&rs, "Cache-Control", value), "no-store");
	ck_assert_str_eq(buf_str(&rs.body),
		"{\"type\":\"urn:wapool:problem:pool-empty\","
		"\"title\":\"Não há instâncias disponíveis no momento\","
		"\"status\":503,\"detail\":\"Tente novamente em alguns segundos. "
		"Estamos criando mais instâncias.\",\"instance\":\"/a\\\"b\","
		"\"error\":\"Não há instâncias disponíveis no momento\","
		"\"message\":\"Tente novamente em alguns segundos. "
		"Estamos criando mais instâncias.\",\"requestId\":\"id-0123456789\"}");
	response_free(&rs);
	request_free(&rq);
}
END_TEST

START_TEST(a_problem_speaks_the_callers_language_and_terms)
{
	struct request rq;
	struct response rs;
	json_t *v;

	request_init(&rq, env_en);
	response_init(&rs);
	response_problem(&rs, &rq, PROBLEM_NOT_FOUND, "No server \"7\"\xff");
	v = json_loadb(buf_str(&rs.body), rs.body.len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(v != NULL, "%s", buf_str(&rs.body));
	ck_assert_str_eq(json_string_value(json_object_get(v, "title")), "Not found");
	ck_assert_str_eq(json_string_value(json_object_get(v, "message")),
		"No server \"7\"\xef\xbf\xbd");
	json_decref(v);
	response_problem(&rs, NULL, PROBLEM_INTERNAL, NULL);
	v = json_loadb(buf_str(&rs.body), rs.body.len, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_str_eq(
		json_string_value(json_object_get(v, "error")), "Erro interno");
	json_decref(v);
	response_free(&rs);
	request_free(&rq);
}
END_TEST

START_TEST(a_problem_replaces_what_was_prepared)
{
	struct request rq;
	struct response rs;
	char value[100];

	request_init(&rq, env_en);
	response_init(&rs);
	response_header(&rs, "X-Accel-Redirect", "/_sub/1");
	response_header(&rs, "Cache-Control", "max-age=60");
	response_bytes(&rs, 200, "text/plain", "half", 4);
	response_problem(&rs, &rq, PROBLEM_UNAUTHORIZED, NULL);
	ck_assert_int_eq(rs.status, 401);
	ck_assert_str_eq(header(&rs, "X-Accel-Redirect", value), "");
	ck_assert_str_eq(header(&rs, "Cache-Control", value), "no-store");
	ck_assert_str_eq(
		header(&rs, "WWW-Authenticate", value), "Bearer realm=\"wapool\"");
	ck_assert_int_eq(buf_str(&rs.body)[0], '{');
	response_free(&rs);
	request_free(&rq);
}
END_TEST

START_TEST(an_invalid_field_is_pointed_at)
{
	struct request rq;
	struct response rs;
	json_t *v, *first;

	request_init(&rq, env_en);
	response_init(&rs);
	ck_assert(!response_invalid(&rs, &rq, "/email", MSG_WANT_EMAIL));
	ck_assert_int_eq(rs.status, 422);
	v = json_loadb(buf_str(&rs.body), rs.body.len, JSON_REJECT_DUPLICATES, NULL);
	first = json_array_get(json_object_get(v, "errors"), 0);
	ck_assert_str_eq(
		json_string_value(json_object_get(first, "pointer")), "/email");
	ck_assert_str_eq(json_string_value(json_object_get(first, "detail")),
		"Give an e-mail address.");
	ck_assert_str_eq(json_string_value(json_object_get(v, "message")),
		"Give an e-mail address.");
	json_decref(v);
	response_free(&rs);
	request_free(&rq);
}
END_TEST

START_TEST(errors_of_lib_become_problems)
{
	static const struct {
		enum err_code code;
		int peer_status;
		const char *problem;
		bool shown;
	} cases[] = {
		{ERR_INPUT, 0, "bad-json", true},
		{ERR_INPUT, 415, "unsupported-media-type", true},
		{ERR_UNAUTHORIZED, 0, "unauthorized", false},
		{ERR_NOT_FOUND, 0, "not-found", false},
		{ERR_CONFLICT, 0, "conflict", false},
		{ERR_TOO_LARGE, 0, "internal", false},
		{ERR_TOO_LARGE, 200, "gateway-failed", false},
		{ERR_TIMEOUT, 0, "unavailable", false},
		{ERR_UNAVAILABLE, 0, "unavailable", false},
		{ERR_PROTOCOL, 200, "gateway-failed", false},
		{ERR_CONFIG, 0, "internal", false},
		{ERR_NOMEM, 0, "internal", false},
		{ERR_INTERNAL, 0, "internal", false},
		{ERR_NONE, 0, "internal", false},
	};
	struct request rq;
	struct response rs;

	log_setup("unit", (enum log_level)(LOG_ERROR + 1));
	request_init(&rq, env_en);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct err e = {.code = cases[i].code,
			.status = cases[i].peer_status,
			.text = "the inner text"};
		char want[80];

		response_init(&rs);
		response_error(&rs, &rq, &e);
		snprintf(want, sizeof(want), "{\"type\":\"urn:wapool:problem:%s\",",
			cases[i].problem);
		ck_assert_msg(strncmp(buf_str(&rs.body), want, strlen(want)) == 0,
			"case %zu: %s", i, buf_str(&rs.body));
		ck_assert_msg(
			(strstr(buf_str(&rs.body), e.text) != NULL) == cases[i].shown,
			"case %zu: %s", i, buf_str(&rs.body));
		response_free(&rs);
	}
	request_free(&rq);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {a_forgotten_answer_is_a_500,
		an_answer_is_rendered_as_cgi, statuses_without_a_body_have_none,
		a_handlers_own_cache_control_stays, headers_cannot_be_split,
		too_many_headers_do_not_cost_the_answer,
		what_cannot_be_built_is_an_empty_500,
		a_problem_has_all_members_in_order,
		a_problem_speaks_the_callers_language_and_terms,
		a_problem_replaces_what_was_prepared, an_invalid_field_is_pointed_at,
		errors_of_lib_become_problems, NULL};

	return unit_main(unit_suite("response", tests));
}
