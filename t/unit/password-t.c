#include "lib/password.h"

#include <sodium.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "t/unit/unit.h"

static const char good[] = "correct horse";

START_TEST(a_password_opens_its_own_hash_only)
{
	char hash[PASSWORD_HASH_SIZE];
	struct err e = ERR_INIT;

	ck_assert(password_hash(good, hash, &e));
	ck_assert(password_verify(hash, good));
	ck_assert(!password_verify(hash, "correct horsf"));
	ck_assert(!password_verify(hash, "correct horse "));
	ck_assert(!password_verify(hash, ""));
}
END_TEST

START_TEST(a_hash_is_argon2id_as_owasp_asks)
{
	static const char start[] = "$argon2id$v=19$m=19456,t=2,p=1$";
	char hash[PASSWORD_HASH_SIZE];

	ck_assert(password_hash(good, hash, NULL));
	ck_assert_int_eq(strncmp(hash, start, strlen(start)), 0);
}
END_TEST

START_TEST(two_hashes_of_one_password_differ)
{
	char one[PASSWORD_HASH_SIZE], two[PASSWORD_HASH_SIZE];

	ck_assert(password_hash(good, one, NULL));
	ck_assert(password_hash(good, two, NULL));
	ck_assert_str_ne(one, two);
}
END_TEST

START_TEST(hashing_nothing_is_an_error)
{
	char hash[PASSWORD_HASH_SIZE] = "x";
	struct err e = ERR_INIT;

	ck_assert(!password_hash(NULL, hash, &e));
	ck_assert_int_eq(e.code, ERR_INPUT);
	ck_assert_str_eq(hash, "");
}
END_TEST

/* as a release with other parameters has left them in the database */
START_TEST(hashes_with_other_parameters_still_verify)
{
	char hash[crypto_pwhash_STRBYTES];

	ck_assert_int_eq(crypto_pwhash_str(hash, good, strlen(good), 1, 8192), 0);
	ck_assert(password_verify(hash, good));
	ck_assert(!password_verify(hash, "wrong horse"));
}
END_TEST

static const char *const malformed[] = {NULL, "", "x", "$argon2id$", "plain password",
	"$argon2id$v=19$m=19456,t=2,p=1$Cle+vcIMwXkIk9luvGaPlA$",
	"$argon2id$v=19$m=19456,t=2,p=1$$eHRONCVGHXiLvnokjPvMi/a7Dmp+G+yE4g0GmPyVLiY",
	"$argon2id$v=19$m=0,t=0,p=1$Cle+vcIMwXkIk9luvGaPlA"
	"$eHRONCVGHXiLvnokjPvMi/a7Dmp+G+yE4g0GmPyVLiY",
	"$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
	"$argon2i$v=19$m=19456,t=2,p=1$Cle+vcIMwXkIk9luvGaPlA"
	"$eHRONCVGHXiLvnokjPvMi/a7Dmp+G+yE4g0GmPyVLiY",
	"$argon2id$v=19$m=19456,t=2,p=1$Cle+vcIMwXkIk9luvGaPlA"
	"$eHRONCVGHXiLvnokjPvMi/a7Dmp+G+yE4g0GmPyVLiYeHRONCVGHXiLvnokjPvMi"
	"/a7Dmp+G+yE4g0GmPyVLiYeHRONCVGHXiLvnokjPvMi"};

/* Microseconds of this thread's own work, whatever else the machine does; the least of
 * a few, as a cold cache costs too. */
static int64_t
work_of(const char *hash, const char *pw)
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < 3; i++) {
		struct timespec from, to;
		int64_t us;

		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
		ck_assert(!password_verify(hash, pw));
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
		us = (to.tv_sec - from.tv_sec) * 1000000 +
			(to.tv_nsec - from.tv_nsec) / 1000;
		best = us < best ? us : best;
	}
	return best;
}

START_TEST(no_user_and_a_bad_hash_take_as_long_as_a_wrong_password)
{
	char hash[PASSWORD_HASH_SIZE];
	int64_t wrong;

	ck_assert(password_hash(good, hash, NULL));
	wrong = work_of(hash, "wrong horse");
	ck_assert_msg(work_of(malformed[_i], good) > wrong / 3, "row %d", _i);
	ck_assert(!password_verify(malformed[_i], NULL));
}
END_TEST

START_TEST(a_missing_password_takes_as_long_as_a_wrong_one)
{
	char hash[PASSWORD_HASH_SIZE];

	ck_assert(password_hash("", hash, NULL));
	ck_assert(work_of(hash, NULL) > work_of(hash, "wrong horse") / 3);
}
END_TEST

#define TEN "0123456789"
#define LONGEST TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "12345678"

static const struct rule {
	const char *pw;
	const char *reason; /* NULL: it may become a password */
} rules[] = {
	{"12345678", NULL},
	{LONGEST, NULL},
	{"p\xc3\xa4ssw\xc3\xb6rt", NULL},
	{"\xf0\x9f\x94\x91\xf0\x9f\x94\x91", NULL},
	{"with blanks in it", NULL},
	{"\xc2\xa0nbsp is no control", NULL},
	{NULL, "too short"},
	{"", "too short"},
	{"1234567", "too short"},
	{LONGEST "9", "too long"},
	{"latin1 \xe4\xf6\xfc", "UTF-8"},
	{"overlong \xc0\xaf", "UTF-8"},
	{"surrogate \xed\xa0\x80", "UTF-8"},
	{"cut short \xc3", "UTF-8"},
	{"tab\tinside", "control"},
	{"line end\n", "control"},
	{"escape \x1b[0m", "control"},
	{"delete \x7f here", "control"},
	{"c1 \xc2\x85 here", "control"},
	{"c1 \xc2\x80 here", "control"},
};

START_TEST(a_password_is_8_to_128_bytes_of_plain_utf8)
{
	const struct rule *r = &rules[_i];
	struct err e = ERR_INIT;
	bool ok = password_valid(r->pw, &e);

	ck_assert_msg(ok == (r->reason == NULL), "row %d: %s", _i, e.text);
	if (ok)
		return;
	ck_assert_int_eq(e.code, ERR_INPUT);
	ck_assert_ptr_nonnull(strstr(e.text, r->reason));
	if (r->pw != NULL && *r->pw != '\0')
		ck_assert_msg(strstr(e.text, r->pw) == NULL, "it repeats the password");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("password");
	TCase *t = tcase_create("password");

	if (sodium_init() < 0)
		return 1;
	suite_add_tcase(s, t);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_password_opens_its_own_hash_only);
	tcase_add_test(t, a_hash_is_argon2id_as_owasp_asks);
	tcase_add_test(t, two_hashes_of_one_password_differ);
	tcase_add_test(t, hashing_nothing_is_an_error);
	tcase_add_test(t, hashes_with_other_parameters_still_verify);
	tcase_add_loop_test(t, no_user_and_a_bad_hash_take_as_long_as_a_wrong_password,
		0, sizeof(malformed) / sizeof(malformed[0]));
	tcase_add_test(t, a_missing_password_takes_as_long_as_a_wrong_one);
	tcase_add_loop_test(t, a_password_is_8_to_128_bytes_of_plain_utf8, 0,
		sizeof(rules) / sizeof(rules[0]));
	return unit_main(s);
}
