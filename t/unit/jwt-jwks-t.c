#include <jansson.h>
#include <unistd.h>

#include "t/unit/jwt-mint.h"

#define ROWS(a) (int)(sizeof(a) / sizeof((a)[0]))
#define RS256(kid) "{\"alg\":\"RS256\",\"kid\":\"" kid "\"}"
#define ES256(kid) "{\"alg\":\"ES256\",\"kid\":\"" kid "\"}"

static const struct jwt_rules no_rules = {"", "", 60};

/* Made once, as RSA keys take their time: read-only for every test. */
static EVP_PKEY *rsa, *small, *ec, *other, *p384;

static void
make_keys(void)
{
	rsa = EVP_RSA_gen(2048);
	small = EVP_RSA_gen(2040);
	ec = EVP_EC_gen("P-256");
	other = EVP_EC_gen("P-256");
	p384 = EVP_EC_gen("P-384");
	ck_assert(rsa != NULL && small != NULL && ec != NULL && other != NULL);
	ck_assert_ptr_nonnull(p384);
}

static void
free_keys(void)
{
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(small);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(other);
	EVP_PKEY_free(p384);
}

/* 0: the P-256 key, 1: RSA 2048, 2: RSA 2040, 3: P-384 */
static const struct {
	int key;
	const char *more;
	bool used;
} entries[] = {
	{0, "", true},
	{0, ",\"use\":\"sig\"", true},
	{0, ",\"alg\":\"ES256\"", true},
	{0, ",\"key_ops\":[\"sign\",\"verify\"]", true},
	{0, ",\"d\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"", true},
	{0, ",\"use\":\"enc\"", false},
	{0, ",\"use\":[\"sig\"]", false},
	{0, ",\"alg\":\"ES384\"", false},
	{0, ",\"alg\":\"ECDH-ES\"", false},
	{0, ",\"key_ops\":[\"sign\"]", false},
	{0, ",\"key_ops\":\"verify\"", false},
	{0, ",\"kid\":7", false},
	{1, "", true},
	{1, ",\"alg\":\"RS256\"", true},
	{1, ",\"d\":\"AQ\"", true},
	{1, ",\"alg\":\"PS256\"", false},
	{1, ",\"use\":\"enc\"", false},
	{2, "", false},
	{3, "", false},
};

START_TEST(only_keys_that_are_for_us_are_used)
{
	EVP_PKEY *key[] = {ec, rsa, small, p384};
	bool curve = entries[_i].key == 0;
	char *json =
		mint_set(mint_jwk(key[entries[_i].key], entries[_i].more), NULL, NULL);
	struct err e = ERR_INIT;
	struct jwt_keys *keys = jwt_keys_jwks_json(json, strlen(json), &e);

	ck_assert_msg((keys != NULL) == entries[_i].used, "row %d", _i);
	if (keys != NULL)
		mint_check(keys, &no_rules,
			mint_pkey(key[entries[_i].key], 32,
				curve ? "{\"alg\":\"ES256\"}" : "{\"alg\":\"RS256\"}",
				GOOD),
			NULL, entries[_i].more);
	else
		ck_assert_int_eq(e.code, ERR_CONFIG);
	jwt_keys_free(keys);
	free(json);
}
END_TEST

START_TEST(an_entry_that_is_not_for_us_spoils_no_other)
{
	struct jwt_keys *keys = mint_keys(mint_set(
		strdup("7,null,{},{\"kty\":\"OKP\"},{\"kty\":"
		       "\"oct\",\"k\":\"MDEyMw\"}"),
		mint_jwk(small, ",\"kid\":\"s\""), mint_jwk(ec, ",\"kid\":\"e\"")));

	mint_check(keys, &no_rules, mint_pkey(ec, 32, ES256("e"), GOOD), NULL, "e");
	mint_check(keys, &no_rules, mint_pkey(small, 0, RS256("s"), GOOD),
		"unknown key", "s");
	jwt_keys_free(keys);
}
END_TEST

#define POINT(x, y)                                                                    \
	"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" x "\",\"y\":\"" y      \
	"\"}]}"
#define NULLS "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define N2048                                                                          \
	"w_______________________________________________________________________"     \
	"________________________________________________________________________"     \
	"________________________________________________________________________"     \
	"________________________________________________________________________"     \
	"_____________________________________________________w"
#define RSA_KEY(n, e) "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"" n "\",\"e\":\"" e "\"}]}"

static const struct {
	const char *json, *reason;
} sets[] = {
	{"", "bad JSON"},
	{"{", "bad JSON"},
	{"{\"keys\":[]} x", "bad JSON"},
	{"{\"keys\":[],\"keys\":[]}", "bad JSON"},
	{"{\"keys\":[{\"kty\":\"EC\",\"kty\":\"EC\"}]}", "bad JSON"},
	{"<html>", "bad JSON"},
	{"[]", "no RSA key"},
	{"{}", "no RSA key"},
	{"{\"keys\":{}}", "no RSA key"},
	{"{\"keys\":[]}", "no RSA key"},
	{"{\"keys\":[{\"kty\":\"oct\",\"k\":"
	 "\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}]}",
		"no RSA key"},
	{POINT(NULLS, NULLS), "no RSA key"},
	{POINT(NULLS, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"), "no RSA key"},
	{POINT("", ""), "no RSA key"},
	{POINT("AQ", "AQ"), "no RSA key"},
	{POINT("!", "!"), "no RSA key"},
	{RSA_KEY(N2048, "AQAB"), NULL},
	{RSA_KEY(N2048, "Aw"), NULL},
	{RSA_KEY(N2048, "AQ"), "no RSA key"},
	{RSA_KEY(N2048, "AAAB"), "no RSA key"},
	{RSA_KEY(N2048, "Ag"), "no RSA key"},
	{RSA_KEY(N2048, ""), "no RSA key"},
	{RSA_KEY(N2048, "AQAAAAAAAAAB"), "no RSA key"},
	{RSA_KEY(N2048, "*"), "no RSA key"},
	{RSA_KEY("AAAA" N2048, "AQAB"), NULL},
	{RSA_KEY("", "AQAB"), "no RSA key"},
	{RSA_KEY(N2048 N2048 N2048 N2048 N2048, "AQAB"), "no RSA key"},
};

START_TEST(a_jwk_set_is_strict_json_with_sound_keys)
{
	struct err e = ERR_INIT;
	struct jwt_keys *keys =
		jwt_keys_jwks_json(sets[_i].json, strlen(sets[_i].json), &e);

	ck_assert_msg(
		(keys != NULL) == (sets[_i].reason == NULL), "row %d: %s", _i, e.text);
	if (keys == NULL) {
		ck_assert_int_eq(e.code, ERR_CONFIG);
		ck_assert_msg(strstr(e.text, sets[_i].reason) != NULL, "%s", e.text);
	}
	jwt_keys_free(keys);
}
END_TEST

START_TEST(two_keys_with_one_kid_are_refused)
{
	static const char *const kids[] = {",\"kid\":\"e\"", ""};
	char *json = mint_set(mint_jwk(ec, kids[_i]), mint_jwk(other, kids[_i]), NULL);
	struct err e = ERR_INIT;

	ck_assert_ptr_null(jwt_keys_jwks_json(json, strlen(json), &e));
	ck_assert_int_eq(e.code, ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(e.text, "same kid"));
	free(json);
	/* RFC 7517 section 4.5 lets keys of different kinds share one */
	jwt_keys_free(mint_keys(
		mint_set(mint_jwk(ec, kids[_i]), mint_jwk(rsa, kids[_i]), NULL)));
}
END_TEST

START_TEST(a_jwk_set_has_a_size)
{
	static char blank[JWT_JWKS_MAX + 2];
	struct err e = ERR_INIT;
	struct buf many;

	memset(blank, ' ', sizeof(blank));
	ck_assert_ptr_null(jwt_keys_jwks_json(blank, JWT_JWKS_MAX + 1, &e));
	ck_assert_ptr_nonnull(strstr(e.text, "bytes"));
	err_clear(&e);
	buf_init(&many, JWT_JWKS_MAX);
	buf_puts(&many, "{\"keys\":[{}");
	for (int i = 0; i < 64; i++)
		buf_puts(&many, ",{}");
	ck_assert(buf_puts(&many, "]}"));
	ck_assert_ptr_null(jwt_keys_jwks_json(many.data, many.len, &e));
	ck_assert_ptr_nonnull(strstr(e.text, "more than 64"));
	buf_free(&many);
}
END_TEST

START_TEST(a_jwk_set_comes_from_a_file)
{
	char path[] = "/tmp/jwt-keys-t.XXXXXX";
	char *json = mint_set(mint_jwk(ec, ",\"kid\":\"e\""), NULL, NULL);
	int fd = mkstemp(path);
	struct err e = ERR_INIT;
	struct jwt_keys *keys;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, json, strlen(json)), (ssize_t)strlen(json));
	close(fd);
	keys = jwt_keys_jwks_file(path, &e);
	ck_assert_msg(keys != NULL, "%s", e.text);
	mint_check(keys, &no_rules, mint_pkey(ec, 32, ES256("e"), GOOD), NULL, "e");
	jwt_keys_free(keys);
	unlink(path);
	ck_assert_ptr_null(jwt_keys_jwks_file(path, &e));
	ck_assert_int_eq(e.code, ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(e.text, path));
	err_clear(&e);
	ck_assert_ptr_null(jwt_keys_jwks_file("/tmp", &e));
	ck_assert_int_eq(e.code, ERR_CONFIG);
	free(json);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("jwt-jwks");
	TCase *t = tcase_create("jwt-jwks");

	json_object_seed(0);
	suite_add_tcase(s, t);
	tcase_set_timeout(t, 60);
	tcase_add_unchecked_fixture(t, make_keys, free_keys);
	tcase_add_loop_test(t, only_keys_that_are_for_us_are_used, 0, ROWS(entries));
	tcase_add_test(t, an_entry_that_is_not_for_us_spoils_no_other);
	tcase_add_loop_test(t, a_jwk_set_is_strict_json_with_sound_keys, 0, ROWS(sets));
	tcase_add_loop_test(t, two_keys_with_one_kid_are_refused, 0, 2);
	tcase_add_test(t, a_jwk_set_has_a_size);
	tcase_add_test(t, a_jwk_set_comes_from_a_file);
	return unit_main(s);
}
