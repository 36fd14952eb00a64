#include "lib/device.h"

#include <stdio.h>
#include <string.h>

#include "t/unit/unit.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define ID "0f8fad5b-d9cb-469f-a165-70867728950e"

/* Asserts that rs holds the 422 that names the field, in the caller's language. */
static void
check_refusal(const struct response *rs, const char *sentence)
{
	json_t *body = json_loads(buf_str(&rs->body), 0, NULL);
	json_t *error = json_array_get(json_object_get(body, "errors"), 0);

	ck_assert_int_eq(rs->status, 422);
	ck_assert_str_eq(
		json_string_value(json_object_get(error, "pointer")), "/deviceId");
	ck_assert_str_eq(json_string_value(json_object_get(error, "detail")), sentence);
	json_decref(body);
}

static void
check_query(const char *query, const char *want)
{
	char env[400], out[DEVICE_ID_SIZE] = "left over";
	struct response rs;
	struct request rq;

	snprintf(env, sizeof(env), "QUERY_STRING=%s", query);
	request_init(&rq, (char *const[]){env, NULL});
	response_init(&rs);
	ck_assert_msg(device_of_query(&rq, out, &rs) == (want != NULL), "?%s: %s",
		query, out);
	if (want != NULL)
		ck_assert_str_eq(out, want);
	else
		check_refusal(&rs, "O deviceId \xc3\xa9 um UUID.");
	response_free(&rs);
	request_free(&rq);
}

START_TEST(the_query_may_name_a_device)
{
	check_query("", "");
	check_query("other=1", "");
	check_query("deviceid=x", ""); /* names are told apart by case */
	check_query("deviceId=" ID, ID);
	check_query("a=b&deviceId=" ID "&c=d", ID);
	check_query("deviceId=0f8fad5b%2dd9cb%2d469f%2da165%2d70867728950e", ID);
	check_query("deviceId=0F8FAD5B-D9CB-469F-A165-70867728950E",
		"0F8FAD5B-D9CB-469F-A165-70867728950E");
}
END_TEST

START_TEST(a_query_that_names_none_is_refused)
{
	char longest[380] = "deviceId=" ID;

	check_query("deviceId", NULL);
	check_query("deviceId=", NULL);
	check_query("deviceId=1", NULL);
	check_query("deviceId=" ID "0", NULL);
	check_query("deviceId=" ID "%00", NULL);
	check_query("deviceId=%zz", NULL);
	check_query("deviceId=%ff", NULL);
	check_query("deviceId=null", NULL);
	memset(longest + strlen(longest), 'a', 300);
	check_query(longest, NULL);
}
END_TEST

static void
check_body(const char *json, bool ok, const char *want)
{
	json_t *body = json_loads(json, 0, NULL);
	const char *out = "left over";
	struct response rs;
	struct request rq;

	request_init(&rq, (char *const[]){(char[]){"HTTP_ACCEPT_LANGUAGE=en"}, NULL});
	response_init(&rs);
	ck_assert_msg(device_of_body(&rq, body, &out, &rs) == ok, "%s", json);
	if (!ok)
		check_refusal(&rs, "A deviceId is a UUID.");
	else if (want == NULL)
		ck_assert_ptr_null(out);
	else
		ck_assert_str_eq(out, want);
	response_free(&rs);
	request_free(&rq);
	json_decref(body);
}

START_TEST(the_body_may_name_a_device)
{
	check_body("{}", true, NULL);
	check_body("{\"deviceId\":null}", true, NULL);
	check_body("{\"other\":\"" ID "\"}", true, NULL);
	check_body("{\"deviceId\":\"" ID "\"}", true, ID);
}
END_TEST

START_TEST(a_body_that_names_none_is_refused)
{
	static const char *const values[] = {"\"\"", "\"1\"", "1", "true", "false",
		"{}", "[]", "[\"" ID "\"]", "\"null\"", "\"" ID " \"", "\" " ID "\""};
	char json[100];

	for (size_t i = 0; i < N(values); i++) {
		snprintf(json, sizeof(json), "{\"deviceId\":%s}", values[i]);
		check_body(json, false, NULL);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {the_query_may_name_a_device,
		a_query_that_names_none_is_refused, the_body_may_name_a_device,
		a_body_that_names_none_is_refused, NULL};

	return unit_main(unit_suite("device", tests));
}
