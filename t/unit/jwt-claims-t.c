#include <jansson.h>
#include <string.h>

#include "t/unit/jwt-mint.h"

#define ROWS(a) (int)(sizeof(a) / sizeof((a)[0]))
#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

static const struct jwt_rules no_rules = {"", "", 60};

static struct jwt_keys *
secret(void)
{
	struct err e = ERR_INIT;
	struct jwt_keys *keys = jwt_keys_hs256(SECRET, &e);

	ck_assert_msg(keys != NULL, "%s", e.text);
	return keys;
}

struct row {
	const char *text;
	const char *reason; /* NULL: accepted */
};

static const struct row payloads[] = {
	{GOOD, NULL},
	{"{\"sub\":\"0F8FAD5B-D9CB-469F-A165-70867728950E\"," EXP "}", NULL},
	{"{" SUB ",\"exp\":1700000600.75}", NULL},
	{"{" SUB ",\"exp\":1699999941}", NULL},
	{"{" SUB ",\"exp\":1699999940}", "expired"},
	{"{" SUB ",\"exp\":1600000000}", "expired"},
	{"{" SUB ",\"exp\":0}", "expired"},
	{"{" SUB "}", "expiry"},
	{"{" SUB ",\"exp\":\"1700000600\"}", "expiry"},
	{"{" SUB ",\"exp\":null}", "expiry"},
	{"{" SUB ",\"exp\":true}", "expiry"},
	{"{" SUB ",\"exp\":[1700000600]}", "expiry"},
	{"{" SUB ",\"exp\":-1}", "expiry"},
	{"{" SUB ",\"exp\":9e15}", NULL},
	{"{" SUB ",\"exp\":9e16}", "expiry"},
	{"{" SUB ",\"exp\":1e300}", "expiry"},
	{"{" SUB ",\"exp\":9223372036854775807}", "expiry"},
	{"{" SUB ",\"exp\":1e400}", "JSON"},
	{"{" SUB ",\"exp\":99999999999999999999}", "JSON"},
	{"{" SUB ",\"exp\":NaN}", "JSON"},
	{"{" SUB "," EXP ",\"nbf\":1700000060}", NULL},
	{"{" SUB "," EXP ",\"nbf\":1700000061}", "not valid yet"},
	{"{" SUB "," EXP ",\"nbf\":\"0\"}", "not valid yet"},
	{"{" SUB "," EXP ",\"iat\":1700000060}", NULL},
	{"{" SUB "," EXP ",\"iat\":1700000061}", "future"},
	{"{" SUB "," EXP ",\"iat\":-5}", "future"},
	{"{" SUB "," EXP ",\"iat\":null}", "future"},
	{"{" EXP "}", "subject"},
	{"{\"sub\":\"\"," EXP "}", "subject"},
	{"{\"sub\":null," EXP "}", "subject"},
	{"{\"sub\":7," EXP "}", "subject"},
	{"{\"sub\":\"CANARY\"," EXP "}", "subject"},
	{"{\"sub\":\"0f8fad5bd9cb469fa16570867728950e\"," EXP "}", "subject"},
	{"{\"sub\":\"{0f8fad5b-d9cb-469f-a165-70867728950e}\"," EXP "}", "subject"},
	{"{\"sub\":\"0f8fad5b-d9cb-469f-a165-70867728950\"," EXP "}", "subject"},
	{"{\"sub\":\"0f8fad5b-d9cb-469f-a165-70867728950e0\"," EXP "}", "subject"},
	{"{\"sub\":\"0f8fad5b-d9cb-469f-a165-70867728950g\"," EXP "}", "subject"},
	{"{\"sub\":\"0f8fad5b-d9cb-469f-a165--0867728950e\"," EXP "}", "subject"},
	{"{\"sub\":\"0f8fad5bad9cb-469f-a165-70867728950e\"," EXP "}", "subject"},
	{"{" SUB "," EXP ",\"aud\":\"authenticated\"}", NULL},
	{"{" SUB "," EXP ",\"aud\":[\"x\",\"authenticated\"]}", NULL},
	{"{" SUB "," EXP ",\"aud\":\"\"}", "audience"},
	{"{" SUB "," EXP ",\"aud\":\"CANARY\"}", "audience"},
	{"{" SUB "," EXP ",\"aud\":[]}", "audience"},
	{"{" SUB "," EXP ",\"aud\":[\"authenticated2\"]}", "audience"},
	{"{" SUB "," EXP ",\"aud\":[\"authenticated\",7]}", "audience"},
	{"{" SUB "," EXP ",\"aud\":null}", "audience"},
	{"{" SUB "," EXP ",\"aud\":{\"authenticated\":1}}", "audience"},
	{"{" SUB "," EXP ",\"iss\":\"anyone\"}", NULL},
	{"{" SUB "," EXP ",\"iss\":7}", "issuer"},
	{"{\"iss\":\"supabase\",\"ref\":\"abcdefghijklmnopqrst\",\"role\":\"anon\","
	 "\"iat\":1690000000,\"exp\":2000000000}",
		"API key"},
	{"{\"iss\":\"supabase\",\"ref\":\"abcdefghijklmnopqrst\",\"role\":\"service_"
	 "role\","
	 "\"iat\":1690000000,\"exp\":2000000000}",
		"API key"},
	{"{\"iss\":\"supabase-demo\",\"role\":\"anon\",\"exp\":2000000000}", "API key"},
	{"{" SUB "," EXP ",\"iss\":\"supabase\",\"role\":\"authenticated\"}",
		"API key"},
	{"{" SUB "," EXP ",\"role\":\"anon\"}", "API key"},
	{"{" SUB "," EXP ",\"role\":\"service_role\"}", "API key"},
	{"{" SUB "," EXP ",\"role\":\"service\\u005frole\"}", "API key"},
	{"{" SUB "," EXP ",\"role\":null}", NULL},
	{"{" SUB "," EXP ",\"role\":\"01234567890123456789012345678901\"}", NULL},
	{"{" SUB "," EXP ",\"role\":\"012345678901234567890123456789012\"}", "role"},
	{"{" SUB "," EXP ",\"role\":[\"authenticated\"]}", "role"},
	{"{" SUB "," EXP ",\"role\":\"a\\nb\"}", "role"},
	{"{" SUB "," EXP ",\"is_anonymous\":false}", NULL},
	{"{" SUB "," EXP ",\"is_anonymous\":null}", NULL},
	{"{" SUB "," EXP ",\"is_anonymous\":true}", "anonymous"},
	{"{" SUB "," EXP ",\"is_anonymous\":1}", "anonymous"},
	{"{" SUB "," EXP ",\"is_anonymous\":\"true\"}", "anonymous"},
	{"{" SUB "," EXP ",\"email\":null}", NULL},
	{"{" SUB "," EXP ",\"email\":[\"CANARY@example.org\"]}", "email"},
	{"{" SUB "," EXP ",\"email\":\"CANARY\\r\\n\"}", "email"},
	{"{" SUB "," EXP ",\"email\":\"a\\u0000b\"}", "JSON"},
	{"{" SUB "," EXP "," EXP "}", "JSON"},
	{"{" SUB "," SUB "," EXP "}", "JSON"},
	{"{" SUB "," EXP ",\"app_metadata\":{\"role\":\"user\",\"role\":\"admin\"}}",
		"JSON"},
	{"[" GOOD "]", "JSON"},
	{"{" SUB "," EXP, "JSON"},
	{"{" SUB "," EXP "}.", "JSON"},
	{"\"" USER "\"", "JSON"},
	{"CANARY", "JSON"},
};

START_TEST(claims_are_strict)
{
	struct jwt_keys *keys = secret();

	mint_check(keys, &no_rules, mint_hs256(HS256, payloads[_i].text),
		payloads[_i].reason, payloads[_i].text);
	jwt_keys_free(keys);
}
END_TEST

static const struct {
	struct jwt_rules rules;
	const char *claims, *reason;
} ruled[] = {
	{{NULL, NULL, 60}, "\"iss\":\"x\",\"aud\":\"authenticated\"", NULL},
	{{"https://a", "", 60}, "\"iss\":\"https://a\"", NULL},
	{{"https://a", "", 60}, "\"iss\":\"https://a/\"", "issuer"},
	{{"https://a", "", 60}, "\"iss\":\"https://A\"", "issuer"},
	{{"https://a", "", 60}, "\"iss\":[\"https://a\"]", "issuer"},
	{{"https://a", "", 60}, "\"x\":1", "issuer"},
	{{"supabase", "", 60}, "\"iss\":\"supabase\"", "API key"},
	{{"", "wapool", 60}, "\"aud\":\"wapool\"", NULL},
	{{"", "wapool", 60}, "\"aud\":[\"a\",\"wapool\",\"b\"]", NULL},
	{{"", "wapool", 60}, "\"aud\":\"authenticated\"", "audience"},
	{{"", "wapool", 60}, "\"aud\":\"wapool2\"", "audience"},
	{{"", "wapool", 60}, "\"x\":1", "audience"},
	{{"", "", 0}, "\"nbf\":1700000000,\"iat\":1700000000", NULL},
	{{"", "", 0}, "\"nbf\":1700000001", "not valid yet"},
	{{"", "", -60}, "\"nbf\":1700000000", NULL},
	{{"", "", 100000}, "\"nbf\":1700000060", NULL},
	{{"", "", 100000}, "\"nbf\":1700000061", "not valid yet"},
};

START_TEST(the_operators_rules_bind)
{
	struct jwt_keys *keys = secret();
	char payload[500];

	snprintf(payload, sizeof(payload), "{%s,%s,%s}", SUB, EXP, ruled[_i].claims);
	mint_check(keys, &ruled[_i].rules, mint_hs256(HS256, payload), ruled[_i].reason,
		ruled[_i].claims);
	jwt_keys_free(keys);
}
END_TEST

START_TEST(without_leeway_a_token_ends_at_its_second)
{
	static const struct jwt_rules exact = {"", "", 0};
	struct jwt_keys *keys = secret();

	mint_check(keys, &exact, mint_hs256(HS256, "{" SUB ",\"exp\":1700000001}"),
		NULL, "one second left");
	mint_check(keys, &exact, mint_hs256(HS256, "{" SUB ",\"exp\":1700000000}"),
		"expired", "at exp");
	jwt_keys_free(keys);
}
END_TEST

static const struct {
	const char *claims;
	bool admin;
} admins[] = {
	{"\"app_metadata\":{\"role\":\"admin\"}", true},
	{"\"app_metadata\":{\"provider\":\"email\",\"role\":\"admin\"}", true},
	{"\"app_metadata\":{\"role\":\"user\"}", false},
	{"\"app_metadata\":{\"role\":\"Admin\"}", false},
	{"\"app_metadata\":{\"role\":[\"admin\"]}", false},
	{"\"app_metadata\":{\"role\":true}", false},
	{"\"app_metadata\":{\"app_metadata\":{\"role\":\"admin\"}}", false},
	{"\"app_metadata\":\"admin\"", false},
	{"\"app_metadata\":[\"admin\"]", false},
	{"\"app_metadata\":null", false},
	{"\"user_metadata\":{\"role\":\"admin\"}", false},
	{"\"role\":\"admin\"", false},
	{"\"is_admin\":true", false},
};

START_TEST(only_app_metadata_makes_an_admin)
{
	struct jwt_keys *keys = secret();
	struct jwt_claims c;
	struct err e = ERR_INIT;
	char payload[500], *token;

	snprintf(payload, sizeof(payload), "{%s,%s,%s}", SUB, EXP, admins[_i].claims);
	token = mint_hs256(HS256, payload);
	ck_assert_msg(jwt_verify(keys, &no_rules, token, NOW, &c, &e), "%s", e.text);
	ck_assert_msg(c.is_admin == admins[_i].admin, "%s", admins[_i].claims);
	free(token);
	jwt_keys_free(keys);
}
END_TEST

START_TEST(claims_come_out_as_the_token_says)
{
	struct jwt_keys *keys = secret();
	struct jwt_claims c;
	char *token = mint_hs256(HS256,
		"{\"sub\":\"0F8FAD5B-D9CB-469F-A165-70867728950E\"," EXP
		",\"email\":\"j\\u00f6rg@example.org\",\"role\":\"authenticated\"}");

	memset(&c, 0xff, sizeof(c));
	ck_assert(jwt_verify(keys, &no_rules, token, NOW, &c, NULL));
	ck_assert_str_eq(c.sub, USER);
	ck_assert_str_eq(c.email, "j\xc3\xb6rg@example.org");
	ck_assert_str_eq(c.role, "authenticated");
	ck_assert_int_eq(c.exp, 1700000600);
	ck_assert(!c.is_admin);
	free(token);
	jwt_keys_free(keys);
}
END_TEST

START_TEST(an_email_fits_up_to_254_bytes)
{
	struct jwt_keys *keys = secret();
	char email[256], payload[600];

	for (int n = 254; n <= 255; n++) {
		memset(email, 'e', (size_t)n);
		email[n] = '\0';
		snprintf(payload, sizeof(payload), "{%s,%s,\"email\":\"%s\"}", SUB, EXP,
			email);
		mint_check(keys, &no_rules, mint_hs256(HS256, payload),
			n == 254 ? NULL : "email", email);
	}
	jwt_keys_free(keys);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("jwt-claims");
	TCase *t = tcase_create("jwt-claims");

	json_object_seed(0);
	suite_add_tcase(s, t);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, claims_are_strict, 0, ROWS(payloads));
	tcase_add_loop_test(t, the_operators_rules_bind, 0, ROWS(ruled));
	tcase_add_test(t, without_leeway_a_token_ends_at_its_second);
	tcase_add_loop_test(t, only_app_metadata_makes_an_admin, 0, ROWS(admins));
	tcase_add_test(t, claims_come_out_as_the_token_says);
	tcase_add_test(t, an_email_fits_up_to_254_bytes);
	return unit_main(s);
}
