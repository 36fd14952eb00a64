#include "lib/jwt.h"

#include <jansson.h>
#include <string.h>

#include "t/unit/jwt-mint.h"

#define ROWS(a) (int)(sizeof(a) / sizeof((a)[0]))
#define HS256 "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define GOOD "{" SUB "," EXP "}"

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

static const struct row headers[] = {
	{HS256, NULL},
	{"{\"alg\":\"HS256\"}", NULL},
	{"{\"typ\":\"jwt\",\"alg\":\"HS256\"}", NULL},
	{"{\"alg\":\"HS256\",\"typ\":\"at+jwt\"}", NULL},
	{"{\"alg\":\"HS256\",\"typ\":\"AT+JWT\"}", NULL},
	{" {\n\"alg\" : \"HS256\"\t} ", NULL},
	{"{\"alg\":\"HS256\",\"kid\":\"any of Supabase's\"}", NULL},
	{"{\"alg\":\"HS256\",\"jku\":\"https://CANARY.example/jwks\"}", NULL},
	{"{\"alg\":\"HS256\",\"typ\":\"JOSE\"}", "type"},
	{"{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}", "type"},
	{"{\"alg\":\"HS256\",\"typ\":\"\"}", "type"},
	{"{\"alg\":\"HS256\",\"typ\":null}", "type"},
	{"{\"alg\":\"HS256\",\"typ\":[\"JWT\"]}", "type"},
	{"{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", "critical"},
	{"{\"alg\":\"HS256\",\"crit\":[]}", "critical"},
	{"{\"alg\":\"HS256\",\"crit\":[\"alg\"]}", "critical"},
	{"{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}", "critical"},
	{"{\"alg\":\"HS256\",\"kid\":7}", "header"},
	{"{\"alg\":\"HS256\",\"kid\":null}", "header"},
	{"{\"typ\":\"JWT\"}", "header"},
	{"{\"alg\":null}", "header"},
	{"{\"alg\":[\"HS256\"]}", "header"},
	{"{\"alg\":\"none\"}", "no key"},
	{"{\"alg\":\"None\"}", "no key"},
	{"{\"alg\":\"NONE\"}", "no key"},
	{"{\"alg\":\"\"}", "no key"},
	{"{\"alg\":\"hs256\"}", "no key"},
	{"{\"alg\":\"HS256 \"}", "no key"},
	{"{\"alg\":\"HS384\"}", "no key"},
	{"{\"alg\":\"HS512\"}", "no key"},
	{"{\"alg\":\"RS256\"}", "no key"},
	{"{\"alg\":\"ES256\"}", "no key"},
	{"{\"alg\":\"PS256\"}", "no key"},
	{"{\"alg\":\"dir\",\"enc\":\"A256GCM\"}", "no key"},
	{"{\"alg\":\"CANARY\"}", "no key"},
	{"{\"alg\":\"HS256\\u0000\"}", "JSON"},
	{"{\"alg\":\"none\",\"alg\":\"HS256\"}", "JSON"},
	{"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", "JSON"},
	{"{\"alg\":\"none\",\"\\u0061lg\":\"HS256\"}", "JSON"},
	{"{\"alg\":\"HS256\",}", "JSON"},
	{"{\"alg\":\"HS256\"} x", "JSON"},
	{"{\"alg\":\"HS256\"}{}", "JSON"},
	{"{\"alg\":\"HS256\"", "JSON"},
	{"{'alg':'HS256'}", "JSON"},
	{"\xef\xbb\xbf{\"alg\":\"HS256\"}", "JSON"},
	{"{\"alg\":\"HS256\",\"x\":\"\xff\"}", "JSON"},
	{"[\"HS256\"]", "JSON"},
	{"\"HS256\"", "JSON"},
	{"HS256", "JSON"},
	{" ", "JSON"},
};

START_TEST(a_header_is_strict_and_its_algorithm_ours)
{
	struct jwt_keys *keys = secret();

	mint_check(keys, &no_rules, mint_hs256(headers[_i].text, GOOD),
		headers[_i].reason, headers[_i].text);
	ck_assert(!jwt_keys_take_kid_miss(keys));
	jwt_keys_free(keys);
}
END_TEST

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
	{"{\"sub\":\"0f8fad5bad9cb-469f-a165-7086772895e\"," EXP "}", "subject"},
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

START_TEST(no_byte_of_a_token_can_be_changed)
{
	struct jwt_keys *keys = secret();
	char *good = mint_hs256(HS256, GOOD);
	struct jwt_claims c;

	for (size_t i = 0; i < strlen(good); i++)
		for (const char *to = "AQgw-_.=+/ \n\x80"; *to != '\0'; to++) {
			char was = good[i];

			good[i] = *to;
			ck_assert_msg(*to == was ||
					!jwt_verify(
						keys, &no_rules, good, NOW, &c, NULL),
				"byte %zu to %02x", i, (unsigned char)*to);
			good[i] = was;
		}
	mint_check(keys, &no_rules, good, NULL, "unchanged");
	jwt_keys_free(keys);
}
END_TEST

START_TEST(a_signature_has_one_text_only)
{
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	struct jwt_keys *keys = secret();
	char *good = mint_hs256(HS256, GOOD), *last = good + strlen(good) - 1;
	struct jwt_claims c;
	int accepted = 0;

	for (const char *p = set; *p != '\0'; p++) {
		*last = *p;
		accepted += jwt_verify(keys, &no_rules, good, NOW, &c, NULL);
	}
	ck_assert_int_eq(accepted, 1);
	free(good);
	jwt_keys_free(keys);
}
END_TEST

START_TEST(no_part_of_a_token_can_be_missing)
{
	struct jwt_keys *keys = secret();
	char *good = mint_hs256(HS256, GOOD);

	for (size_t n = 0; n < strlen(good); n++)
		mint_check(keys, &no_rules, strndup(good, n), "token: ", "cut");
	for (size_t n = 1; n < strlen(good); n++)
		mint_check(keys, &no_rules, strdup(good + n), "token: ", "beheaded");
	free(good);
	mint_check(keys, &no_rules, NULL, "missing", "NULL");
	jwt_keys_free(keys);
}
END_TEST

static const struct {
	const char *before, *after, *reason;
} framed[] = {
	{"", "", NULL},
	{"", "=", "base64url"},
	{"", ".", "three parts"},
	{"", ".AAAA", "three parts"},
	{".", "", "three parts"},
	{" ", "", "base64url"},
	{"", " ", "base64url"},
	{"", "\n", "base64url"},
	{"Bearer ", "", "base64url"},
	{"\"", "\"", "base64url"},
	{"", "AAAA", "signature"},
	{"", "A", "signature"},
	{"", "AA", "base64url"},
};

START_TEST(nothing_may_stand_around_a_token)
{
	struct jwt_keys *keys = secret();
	char *good = mint_hs256(HS256, GOOD), text[1000];

	snprintf(text, sizeof(text), "%s%s%s", framed[_i].before, good,
		framed[_i].after);
	mint_check(keys, &no_rules, strdup(text), framed[_i].reason, text);
	free(good);
	jwt_keys_free(keys);
}
END_TEST

static const char *const shapes[] = {"", ".", "..", "...", "a", "a.b", "a.b.c",
	"a.b.c.d", "a.b.c.d.e", "e30.e30.", ".e30.e30", "e30..e30", "e30.e30.e30",
	"null", "{}",
	/* alg none without and with something as its signature */
	"eyJhbGciOiJub25lIn0."
	"eyJzdWIiOiIwZjhmYWQ1Yi1kOWNiLTQ2OWYtYTE2NS03MDg2NzcyODk1MGUi"
	"LCJleHAiOjE3MDAwMDA2MDB9.",
	"eyJhbGciOiJub25lIn0."
	"eyJzdWIiOiIwZjhmYWQ1Yi1kOWNiLTQ2OWYtYTE2NS03MDg2NzcyODk1MGUi"
	"LCJleHAiOjE3MDAwMDA2MDB9.AAAA"};

START_TEST(what_is_no_token_is_refused)
{
	struct jwt_keys *keys = secret();

	mint_check(keys, &no_rules, strdup(shapes[_i]), "token: ", shapes[_i]);
	jwt_keys_free(keys);
}
END_TEST

START_TEST(the_signature_must_be_the_secrets)
{
	struct jwt_keys *keys = secret();
	static const char other[] = "1123456789abcdef0123456789abcdef";

	mint_check(keys, &no_rules, mint_hmac(EVP_sha256(), other, HS256, GOOD),
		"signature", "another secret");
	mint_check(keys, &no_rules, mint_hmac(EVP_sha256(), "", HS256, GOOD),
		"signature", "an empty secret");
	mint_check(keys, &no_rules, mint_hmac(EVP_sha512(), SECRET, HS256, GOOD),
		"signature", "HS512 that says HS256");
	mint_check(keys, &no_rules,
		mint_hmac(EVP_sha512(), SECRET, "{\"alg\":\"HS512\"}", GOOD), "no key",
		"HS512");
	jwt_keys_free(keys);
}
END_TEST

START_TEST(a_token_has_at_most_8_kib)
{
	struct jwt_keys *keys = secret();
	char payload[6400];
	bool longest = false;

	for (int pad = 5900; pad < 6200; pad++) {
		char *token;
		size_t n;

		snprintf(payload, sizeof(payload), "{%s,%s,\"x\":\"%0*d\"}", SUB, EXP,
			pad, 0);
		token = mint_hs256(HS256, payload);
		n = strlen(token);
		longest = longest || n == JWT_TOKEN_MAX;
		mint_check(keys, &no_rules, token,
			n <= JWT_TOKEN_MAX ? NULL : "too long", "by its length");
	}
	ck_assert_msg(longest, "the limit itself was not tried");
	jwt_keys_free(keys);
}
END_TEST

START_TEST(deeply_nested_json_is_survived)
{
	struct jwt_keys *keys = secret();
	char nest[6001];

	memset(nest, '[', 6000);
	nest[6000] = '\0';
	mint_check(keys, &no_rules, mint_hs256(nest, GOOD), "token: ", "header");
	nest[5900] = '\0';
	mint_check(keys, &no_rules, mint_hs256(HS256, nest), "JSON", "payload");
	jwt_keys_free(keys);
}
END_TEST

START_TEST(a_short_secret_is_refused)
{
	struct err e = ERR_INIT;

	ck_assert_ptr_null(jwt_keys_hs256("0123456789abcdef0123456789abcde", &e));
	ck_assert_int_eq(e.code, ERR_CONFIG);
	ck_assert_ptr_null(strstr(e.text, "0123456789"));
	err_clear(&e);
	ck_assert_ptr_null(jwt_keys_hs256(NULL, &e));
	ck_assert_int_eq(e.code, ERR_CONFIG);
	jwt_keys_free(NULL);
	ck_assert(!jwt_keys_take_kid_miss(NULL));
}
END_TEST

START_TEST(an_issued_token_verifies_and_says_what_it_was_told)
{
	static const struct jwt_rules rules = {"https://a", "wapool", 0};
	struct jwt_keys *keys = secret();
	struct jwt_claims c;
	struct err e = ERR_INIT;
	bool admin = _i == 1;
	char *token = jwt_issue_hs256(keys, "https://a", "wapool", USER,
		"a@example.org", admin, NOW, 3600, &e);

	ck_assert_msg(token != NULL, "%s", e.text);
	ck_assert_msg(jwt_verify(keys, &rules, token, NOW, &c, &e), "%s", e.text);
	ck_assert_str_eq(c.sub, USER);
	ck_assert_str_eq(c.email, "a@example.org");
	ck_assert_str_eq(c.role, "authenticated");
	ck_assert(c.is_admin == admin);
	ck_assert_int_eq(c.exp, NOW + 3600);
	ck_assert(jwt_verify(keys, &rules, token, NOW + 3599, &c, NULL));
	ck_assert(!jwt_verify(keys, &rules, token, NOW + 3600, &c, NULL));
	free(token);
	jwt_keys_free(keys);
}
END_TEST

/* The payload of a token that was just issued. */
static json_t *
payload_of(const char *token)
{
	unsigned char json[2048] = {0};
	char text[2048];
	const char *from = strchr(token, '.') + 1;
	size_t n = strcspn(from, ".");
	json_t *root;

	for (size_t i = 0; i < n; i++)
		text[i] = (char)(from[i] == '-' ? '+' : from[i] == '_' ? '/' : from[i]);
	while (n % 4 != 0)
		text[n++] = '=';
	text[n] = '\0';
	ck_assert_int_gt(EVP_DecodeBlock(json, (unsigned char *)text, (int)n), 0);
	root = json_loads((char *)json, JSON_DISABLE_EOF_CHECK, NULL);
	ck_assert_ptr_nonnull(root);
	return root;
}

START_TEST(an_issued_token_has_these_members_and_no_others)
{
	struct jwt_keys *keys = secret();
	char *one = jwt_issue_hs256(keys, "", NULL, USER, NULL, false, NOW, 60, NULL);
	char *two = jwt_issue_hs256(keys, NULL, "", USER, "", false, NOW, 60, NULL);
	json_t *a = payload_of(one), *b = payload_of(two), *want;

	ck_assert_uint_eq(json_string_length(json_object_get(a, "jti")), 32);
	ck_assert(!json_equal(json_object_get(a, "jti"), json_object_get(b, "jti")));
	json_object_del(a, "jti");
	json_object_del(b, "jti");
	want = json_pack("{s:s,s:s,s:s,s:s,s:{s:s},s:i,s:i}", "aud", "authenticated",
		"sub", USER, "email", "", "role", "authenticated", "app_metadata",
		"role", "user", "iat", NOW, "exp", NOW + 60);
	ck_assert(json_equal(a, want));
	ck_assert(json_equal(b, want));
	json_decref(want);
	json_decref(a);
	json_decref(b);
	free(one);
	free(two);
	jwt_keys_free(keys);
}
END_TEST

static const struct {
	const char *issuer, *audience, *sub, *email;
	int64_t ttl;
} unsayable[] = {
	{"", "", NULL, "", 60},
	{"", "", "", "", 60},
	{"", "", "admin", "", 60},
	{"", "", USER, "\xff", 60},
	{"", "", USER, "a\nb", 60},
	{"\xc3", "", USER, "", 60},
	{"", "\xed\xa0\x80", USER, "", 60},
	{"", "", USER, "", 0},
	{"", "", USER, "", -60},
	{"", "", USER, "", INT64_MAX},
};

START_TEST(a_token_that_could_not_verify_is_not_issued)
{
	struct jwt_keys *keys = secret();
	struct err e = ERR_INIT;

	ck_assert_ptr_null(jwt_issue_hs256(keys, unsayable[_i].issuer,
		unsayable[_i].audience, unsayable[_i].sub, unsayable[_i].email, false,
		NOW, unsayable[_i].ttl, &e));
	ck_assert_int_eq(e.code, ERR_INPUT);
	jwt_keys_free(keys);
}
END_TEST

static TCase *
verifying(void)
{
	TCase *t = tcase_create("verify");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(
		t, a_header_is_strict_and_its_algorithm_ours, 0, ROWS(headers));
	tcase_add_loop_test(t, claims_are_strict, 0, ROWS(payloads));
	tcase_add_loop_test(t, the_operators_rules_bind, 0, ROWS(ruled));
	tcase_add_test(t, without_leeway_a_token_ends_at_its_second);
	tcase_add_loop_test(t, only_app_metadata_makes_an_admin, 0, ROWS(admins));
	tcase_add_test(t, claims_come_out_as_the_token_says);
	tcase_add_test(t, an_email_fits_up_to_254_bytes);
	tcase_add_test(t, no_byte_of_a_token_can_be_changed);
	tcase_add_test(t, a_signature_has_one_text_only);
	tcase_add_test(t, no_part_of_a_token_can_be_missing);
	tcase_add_loop_test(t, nothing_may_stand_around_a_token, 0, ROWS(framed));
	tcase_add_loop_test(t, what_is_no_token_is_refused, 0, ROWS(shapes));
	tcase_add_test(t, the_signature_must_be_the_secrets);
	tcase_add_test(t, a_token_has_at_most_8_kib);
	tcase_add_test(t, deeply_nested_json_is_survived);
	tcase_add_test(t, a_short_secret_is_refused);
	return t;
}

static TCase *
issuing(void)
{
	TCase *t = tcase_create("issue");

	tcase_add_loop_test(
		t, an_issued_token_verifies_and_says_what_it_was_told, 0, 2);
	tcase_add_test(t, an_issued_token_has_these_members_and_no_others);
	tcase_add_loop_test(
		t, a_token_that_could_not_verify_is_not_issued, 0, ROWS(unsayable));
	return t;
}

int
main(void)
{
	Suite *s = suite_create("jwt");

	json_object_seed(0);
	suite_add_tcase(s, verifying());
	suite_add_tcase(s, issuing());
	return unit_main(s);
}
