#include "lib/jwt.h"

#include <jansson.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "t/unit/jwt-mint.h"

#define ROWS(a) (int)(sizeof(a) / sizeof((a)[0]))
#define RS256(kid) "{\"alg\":\"RS256\",\"kid\":\"" kid "\"}"
#define ES256(kid) "{\"alg\":\"ES256\",\"kid\":\"" kid "\"}"

static const struct jwt_rules no_rules = {"", "", 60};

/* Made once, as RSA keys take their time: read-only for every test. */
static EVP_PKEY *rsa, *ec, *other;

static void
make_keys(void)
{
	rsa = EVP_RSA_gen(2048);
	ec = EVP_EC_gen("P-256");
	other = EVP_EC_gen("P-256");
	ck_assert(rsa != NULL && ec != NULL && other != NULL);
}

static void
free_keys(void)
{
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(other);
}

/* RSA key "r", P-256 key "e". */
static struct jwt_keys *
usual(void)
{
	return mint_keys(mint_set(mint_jwk(rsa,
					  ",\"kid\":\"r\",\"use\":\"sig\","
					  "\"alg\":\"RS256\",\"x5u\":\"https://x\""),
		mint_jwk(ec, ",\"kid\":\"e\",\"key_ops\":[\"verify\"]"), NULL));
}

START_TEST(rs256_and_es256_verify_by_their_kid)
{
	struct jwt_keys *keys = usual();

	mint_check(keys, &no_rules, mint_pkey(rsa, 0, RS256("r"), GOOD), NULL, "RS256");
	mint_check(keys, &no_rules, mint_pkey(ec, 32, ES256("e"), GOOD), NULL, "ES256");
	mint_check(keys, &no_rules, mint_pkey(rsa, 0, "{\"alg\":\"RS256\"}", GOOD),
		NULL, "RS256 without kid");
	mint_check(keys, &no_rules, mint_pkey(ec, 32, "{\"alg\":\"ES256\"}", GOOD),
		NULL, "ES256 without kid");
	jwt_keys_free(keys);
}
END_TEST

START_TEST(claims_are_checked_also_with_a_jwk_set)
{
	struct jwt_keys *keys = usual();

	mint_check(keys, &no_rules,
		mint_pkey(ec, 32, ES256("e"), "{" SUB ",\"exp\":1600000000}"),
		"expired", "old");
	mint_check(keys, &no_rules,
		mint_pkey(ec, 32, ES256("e"), "{" SUB "," EXP ",\"role\":\"anon\"}"),
		"API key", "anon");
	jwt_keys_free(keys);
}
END_TEST

static char *
public_pem(EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text, *copy;
	long n;

	ck_assert_int_eq(PEM_write_bio_PUBKEY(bio, key), 1);
	n = BIO_get_mem_data(bio, &text);
	copy = strndup(text, (size_t)n);
	BIO_free(bio);
	return copy;
}

START_TEST(a_public_key_is_no_hs256_secret)
{
	static const char header[] = "{\"alg\":\"HS256\",\"kid\":\"r\"}";
	struct jwt_keys *keys = usual();
	char *pem = public_pem(rsa), *jwk = mint_jwk(rsa, "");

	mint_check(keys, &no_rules, mint_hmac(EVP_sha256(), pem, header, GOOD),
		"no key", "PEM");
	mint_check(keys, &no_rules, mint_hmac(EVP_sha256(), jwk, header, GOOD),
		"no key", "JWK");
	mint_check(keys, &no_rules,
		mint_hmac(EVP_sha256(), pem, "{\"alg\":\"HS256\"}", GOOD), "no key",
		"without kid");
	mint_check(keys, &no_rules, mint_hmac(EVP_sha256(), pem, RS256("r"), GOOD),
		"signature", "an HMAC that says RS256");
	free(pem);
	free(jwk);
	jwt_keys_free(keys);
}
END_TEST

START_TEST(a_secret_verifies_no_public_key_algorithm)
{
	struct jwt_keys *keys = jwt_keys_hs256(SECRET, NULL);

	ck_assert_ptr_nonnull(keys);
	mint_check(keys, &no_rules, mint_pkey(rsa, 0, RS256("r"), GOOD), "no key",
		"RS256");
	mint_check(keys, &no_rules, mint_pkey(ec, 32, ES256("e"), GOOD), "no key",
		"ES256");
	mint_check(keys, &no_rules, mint_pkey(ec, 32, "{\"alg\":\"HS256\"}", GOOD),
		"signature", "ES256 that says HS256");
	jwt_keys_free(keys);
}
END_TEST

START_TEST(an_algorithm_belongs_to_its_kind_of_key)
{
	struct jwt_keys *keys = usual();
	static const char *const algs[] = {"none", "HS256", "RS384", "RS512", "PS256",
		"PS512", "ES384", "ES512", "ES256K", "EdDSA", "RSA-OAEP", "RS1", ""};
	char header[100];

	for (int i = 0; i < ROWS(algs); i++)
		for (int k = 0; k < 2; k++) {
			snprintf(header, sizeof(header),
				"{\"alg\":\"%s\",\"kid\":\"%s\"}", algs[i],
				k == 0 ? "r" : "e");
			mint_check(keys, &no_rules,
				mint_pkey(k == 0 ? rsa : ec, 32, header, GOOD),
				"no key", header);
		}
	mint_check(keys, &no_rules, mint_pkey(rsa, 0, RS256("e"), GOOD), "no key",
		"kid e");
	mint_check(keys, &no_rules, mint_pkey(ec, 32, ES256("r"), GOOD), "no key",
		"kid r");
	jwt_keys_free(keys);
}
END_TEST

START_TEST(an_es256_signature_is_64_raw_bytes)
{
	struct jwt_keys *keys = usual();
	unsigned char zero[64] = {0};
	struct buf input;

	mint_check(keys, &no_rules, mint_pkey(ec, 0, ES256("e"), GOOD), "signature",
		"DER");
	mint_check(keys, &no_rules, mint_pkey(ec, 33, ES256("e"), GOOD), "signature",
		"zeros in front");
	mint_check(keys, &no_rules, mint_pkey(ec, 48, ES256("e"), GOOD), "signature",
		"as long as of P-384");
	mint_input(&input, ES256("e"), GOOD);
	mint_check(keys, &no_rules, mint_with(&input, zero, sizeof(zero)), "signature",
		"r = s = 0");
	mint_input(&input, ES256("e"), GOOD);
	memset(zero, 0xff, sizeof(zero));
	mint_check(keys, &no_rules, mint_with(&input, zero, sizeof(zero)), "signature",
		"r and s above the order");
	mint_input(&input, RS256("r"), GOOD);
	mint_check(keys, &no_rules, mint_with(&input, zero, sizeof(zero)), "signature",
		"a short RS256");
	jwt_keys_free(keys);
}
END_TEST

START_TEST(a_signature_covers_header_and_payload)
{
	struct jwt_keys *keys = usual();
	EVP_PKEY *key = _i == 0 ? rsa : ec;
	char *good = mint_pkey(key, 32, _i == 0 ? RS256("r") : ES256("e"), GOOD);
	struct jwt_claims c;

	for (size_t i = 0; i < strlen(good); i++) {
		char was = good[i];

		good[i] = was == 'A' ? 'Q' : 'A';
		ck_assert_msg(!jwt_verify(keys, &no_rules, good, NOW, &c, NULL),
			"byte %zu", i);
		good[i] = was;
	}
	mint_check(keys, &no_rules, good, NULL, "unchanged");
	jwt_keys_free(keys);
}
END_TEST

START_TEST(keys_that_a_token_brings_are_not_used)
{
	static const char *const brought[] = {"jwk", "jku", "x5u", "x5c"};
	struct jwt_keys *keys = usual();
	char *jwk = mint_jwk(other, ""), header[600];

	for (int i = 0; i < ROWS(brought); i++) {
		bool embedded = i == 0;

		snprintf(header, sizeof(header),
			"{\"alg\":\"ES256\",\"kid\":\"e\",\"%s\":%s}", brought[i],
			embedded ? jwk : "\"https://CANARY.example/\"");
		mint_check(keys, &no_rules, mint_pkey(other, 32, header, GOOD),
			"signature", header);
		mint_check(
			keys, &no_rules, mint_pkey(ec, 32, header, GOOD), NULL, header);
		snprintf(header, sizeof(header),
			"{\"alg\":\"ES256\",\"kid\":\"x\",\"%s\":%s}", brought[i],
			embedded ? jwk : "\"https://CANARY.example/\"");
		mint_check(keys, &no_rules, mint_pkey(other, 32, header, GOOD),
			"unknown key", header);
	}
	free(jwk);
	jwt_keys_free(keys);
}
END_TEST

START_TEST(an_unknown_kid_is_told)
{
	struct jwt_keys *keys = usual();

	mint_check(keys, &no_rules, mint_pkey(other, 32, ES256("CANARY"), GOOD),
		"unknown key", "unknown");
	mint_check(keys, &no_rules, mint_pkey(other, 32, ES256("e"), GOOD), "signature",
		"known, another key");
	jwt_keys_free(keys);
}
END_TEST

START_TEST(without_a_kid_only_one_key_may_fit)
{
	struct jwt_keys *keys = mint_keys(mint_set(mint_jwk(ec, ",\"kid\":\"e\""),
		mint_jwk(other, ",\"kid\":\"o\""), NULL));

	mint_check(keys, &no_rules, mint_pkey(ec, 32, "{\"alg\":\"ES256\"}", GOOD),
		"no key", "two fit");
	mint_check(keys, &no_rules, mint_pkey(ec, 32, ES256("e"), GOOD), NULL, "e");
	mint_check(keys, &no_rules, mint_pkey(other, 32, ES256("o"), GOOD), NULL, "o");
	mint_check(keys, &no_rules, mint_pkey(ec, 32, ES256("o"), GOOD), "signature",
		"swap");
	jwt_keys_free(keys);
}
END_TEST

START_TEST(a_key_without_a_kid_answers_to_no_kid)
{
	struct jwt_keys *keys = mint_keys(mint_set(mint_jwk(ec, ""), NULL, NULL));

	mint_check(keys, &no_rules, mint_pkey(ec, 32, "{\"alg\":\"ES256\"}", GOOD),
		NULL, "without kid");
	mint_check(keys, &no_rules, mint_pkey(ec, 32, ES256("e"), GOOD), "unknown key",
		"kid e");
	mint_check(keys, &no_rules, mint_pkey(ec, 32, ES256(""), GOOD), "unknown key",
		"kid ''");
	jwt_keys_free(keys);
}
END_TEST

START_TEST(replacing_a_set_takes_old_keys_away)
{
	struct jwt_keys *keys = usual();
	char *json = mint_set(mint_jwk(other, ",\"kid\":\"o\""), NULL, NULL);
	struct err e = ERR_INIT;

	ck_assert_msg(
		jwt_keys_replace_json(keys, json, strlen(json), &e), "%s", e.text);
	mint_check(
		keys, &no_rules, mint_pkey(other, 32, ES256("o"), GOOD), NULL, "new");
	mint_check(keys, &no_rules, mint_pkey(ec, 32, ES256("e"), GOOD), "unknown key",
		"old");
	free(json);
	jwt_keys_free(keys);
}
END_TEST

START_TEST(a_bad_set_replaces_nothing)
{
	struct jwt_keys *keys = usual();
	struct err e = ERR_INIT;

	ck_assert(!jwt_keys_replace_json(keys, "{\"keys\":[]}", 11, &e));
	ck_assert_int_eq(e.code, ERR_CONFIG);
	mint_check(keys, &no_rules, mint_pkey(ec, 32, ES256("e"), GOOD), NULL, "e");
	jwt_keys_free(keys);
}
END_TEST

START_TEST(a_secret_and_a_set_do_not_mix)
{
	struct jwt_keys *keys = jwt_keys_hs256(SECRET, NULL), *set = usual();
	char *json = mint_set(mint_jwk(ec, ""), NULL, NULL);
	struct err e = ERR_INIT;

	ck_assert(!jwt_keys_replace_json(keys, json, strlen(json), &e));
	ck_assert_int_eq(e.code, ERR_CONFIG);
	mint_check(keys, &no_rules, mint_hs256("{\"alg\":\"HS256\"}", GOOD), NULL,
		"HS256");
	err_clear(&e);
	ck_assert_ptr_null(jwt_issue_hs256(set, "", "", USER, "", false, NOW, 60, &e));
	ck_assert_int_eq(e.code, ERR_CONFIG);
	free(json);
	jwt_keys_free(keys);
	jwt_keys_free(set);
}
END_TEST

#define THREADS 4
#define SWAPS 300

struct race {
	struct jwt_keys *keys;
	char *stays, *comes_and_goes;
	atomic_bool stop;
	atomic_int lost, verified, refused;
};

static void *
verify_on(void *arg)
{
	struct race *r = arg;
	struct jwt_claims c;

	while (!atomic_load(&r->stop)) {
		bool ok = jwt_verify(r->keys, &no_rules, r->stays, NOW, &c, NULL);

		atomic_fetch_add(&r->lost, !ok);
		ok = jwt_verify(r->keys, &no_rules, r->comes_and_goes, NOW, &c, NULL);
		atomic_fetch_add(ok ? &r->verified : &r->refused, 1);
	}
	return NULL;
}

START_TEST(keys_may_be_replaced_while_threads_verify)
{
	char *with = mint_set(mint_jwk(ec, ",\"kid\":\"e\""),
		mint_jwk(other, ",\"kid\":\"o\""), NULL);
	char *without = mint_set(mint_jwk(ec, ",\"kid\":\"e\""), NULL, NULL);
	struct race r = {.keys = usual(),
		.stays = mint_pkey(ec, 32, ES256("e"), GOOD),
		.comes_and_goes = mint_pkey(other, 32, ES256("o"), GOOD)};
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, verify_on, &r), 0);
	for (int i = 0; i < SWAPS || atomic_load(&r.verified) == 0 ||
		atomic_load(&r.refused) == 0;
		i++) {
		const char *json = i % 2 == 0 ? with : without;

		ck_assert(jwt_keys_replace_json(r.keys, json, strlen(json), NULL));
		usleep(100);
	}
	atomic_store(&r.stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	ck_assert_int_eq(atomic_load(&r.lost), 0);
	jwt_keys_free(r.keys);
	free(r.stays);
	free(r.comes_and_goes);
	free(with);
	free(without);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("jwt-keys");
	TCase *t = tcase_create("jwt-keys");

	json_object_seed(0);
	suite_add_tcase(s, t);
	tcase_set_timeout(t, 120);
	tcase_add_unchecked_fixture(t, make_keys, free_keys);
	tcase_add_test(t, rs256_and_es256_verify_by_their_kid);
	tcase_add_test(t, claims_are_checked_also_with_a_jwk_set);
	tcase_add_test(t, a_public_key_is_no_hs256_secret);
	tcase_add_test(t, a_secret_verifies_no_public_key_algorithm);
	tcase_add_test(t, an_algorithm_belongs_to_its_kind_of_key);
	tcase_add_test(t, an_es256_signature_is_64_raw_bytes);
	tcase_add_loop_test(t, a_signature_covers_header_and_payload, 0, 2);
	tcase_add_test(t, keys_that_a_token_brings_are_not_used);
	tcase_add_test(t, an_unknown_kid_is_told);
	tcase_add_test(t, without_a_kid_only_one_key_may_fit);
	tcase_add_test(t, a_key_without_a_kid_answers_to_no_kid);
	tcase_add_test(t, replacing_a_set_takes_old_keys_away);
	tcase_add_test(t, a_bad_set_replaces_nothing);
	tcase_add_test(t, a_secret_and_a_set_do_not_mix);
	tcase_add_test(t, keys_may_be_replaced_while_threads_verify);
	return unit_main(s);
}
