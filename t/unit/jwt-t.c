#include "lib/jwt.h"

#include <jansson.h>
#include <pthread.h>
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

/* Runs on a stack that 2048 levels, where jansson itself gives up, would overflow. */
static void *
verify_nested(void *arg)
{
	struct jwt_keys *keys = arg;
	char nest[6001];

	memset(nest, '[', 6000);
	nest[6000] = '\0';
	mint_check(keys, &no_rules, mint_hs256(nest, GOOD), "too many", "header");
	nest[5900] = '\0';
	mint_check(keys, &no_rules, mint_hs256(HS256, nest), "too many", "payload");
	return NULL;
}

START_TEST(deeply_nested_json_needs_no_deep_stack)
{
	struct jwt_keys *keys = secret();
	pthread_attr_t small;
	pthread_t thread;

	ck_assert_int_eq(pthread_attr_init(&small), 0);
	ck_assert_int_eq(pthread_attr_setstacksize(&small, 128 * 1024), 0);
	ck_assert_int_eq(pthread_create(&thread, &small, verify_nested, keys), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&small);
	jwt_keys_free(keys);
}
END_TEST

START_TEST(up_to_256_arrays_and_objects_may_be_in_a_part)
{
	struct jwt_keys *keys = secret();
	char list[1000] = "", payload[1200];
	size_t n = 0;

	for (int i = 0; i < 254; i++)
		n += (size_t)snprintf(list + n, sizeof(list) - n, "[],");
	snprintf(payload, sizeof(payload), "{%s,%s,\"x\":[%s0]}", SUB, EXP, list);
	mint_check(keys, &no_rules, mint_hs256(HS256, payload), NULL, "256");
	snprintf(payload, sizeof(payload), "{%s,%s,\"x\":[%s[]]}", SUB, EXP, list);
	mint_check(keys, &no_rules, mint_hs256(HS256, payload), "too many", "257");
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
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("jwt");
	TCase *t = tcase_create("jwt");

	json_object_seed(0);
	suite_add_tcase(s, t);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(
		t, a_header_is_strict_and_its_algorithm_ours, 0, ROWS(headers));
	tcase_add_test(t, no_byte_of_a_token_can_be_changed);
	tcase_add_test(t, a_signature_has_one_text_only);
	tcase_add_test(t, no_part_of_a_token_can_be_missing);
	tcase_add_loop_test(t, nothing_may_stand_around_a_token, 0, ROWS(framed));
	tcase_add_loop_test(t, what_is_no_token_is_refused, 0, ROWS(shapes));
	tcase_add_test(t, the_signature_must_be_the_secrets);
	tcase_add_test(t, a_token_has_at_most_8_kib);
	tcase_add_test(t, deeply_nested_json_needs_no_deep_stack);
	tcase_add_test(t, up_to_256_arrays_and_objects_may_be_in_a_part);
	tcase_add_test(t, a_short_secret_is_refused);
	return unit_main(s);
}
