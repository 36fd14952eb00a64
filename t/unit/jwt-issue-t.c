#include <jansson.h>
#include <string.h>

#include "t/unit/jwt-mint.h"

#define ROWS(a) (int)(sizeof(a) / sizeof((a)[0]))

static struct jwt_keys *
secret(void)
{
	struct err e = ERR_INIT;
	struct jwt_keys *keys = jwt_keys_hs256(SECRET, &e);

	ck_assert_msg(keys != NULL, "%s", e.text);
	return keys;
}

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

int
main(void)
{
	Suite *s = suite_create("jwt-issue");
	TCase *t = tcase_create("jwt-issue");

	json_object_seed(0);
	suite_add_tcase(s, t);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(
		t, an_issued_token_verifies_and_says_what_it_was_told, 0, 2);
	tcase_add_test(t, an_issued_token_has_these_members_and_no_others);
	tcase_add_loop_test(
		t, a_token_that_could_not_verify_is_not_issued, 0, ROWS(unsayable));
	return unit_main(s);
}
