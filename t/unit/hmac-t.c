#include "lib/hmac.h"

#include <stdint.h>
#include <string.h>

#include "t/unit/unit.h"

#define WAHA_MAC                                                                       \
	"208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8"             \
	"097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89"

START_TEST(waha_documents_this_signature)
{
	static const char body[] =
		"{\"event\":\"message\",\"session\":\"default\",\"engine\":\"WEBJS\"}";
	char mac[HMAC_SHA512_HEX_SIZE];

	ck_assert(hmac_sha512_hex("my-secret-key", 13, body, strlen(body), mac));
	ck_assert_str_eq(mac, WAHA_MAC);
}
END_TEST

/* RFC 4231 section 4.3 */
START_TEST(gowa_signs_with_sha256)
{
	static const char data[] = "what do ya want for nothing?";
	char mac[HMAC_SHA256_HEX_SIZE];

	ck_assert(hmac_sha256_hex("Jefe", 4, data, strlen(data), mac));
	ck_assert_str_eq(mac,
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}
END_TEST

/* RFC 4231 section 4; `repeat` bytes of value key[0] or data[0] where not 0 */
static const struct vector {
	const char *key;
	size_t key_repeat;
	const char *data;
	size_t data_repeat;
	const char *mac;
} vectors[] = {
	{"\x0b", 20, "Hi There", 0,
		"87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
		"daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
	{"Jefe", 0, "what do ya want for nothing?", 0,
		"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
		"9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
	{"\xaa", 20, "\xdd", 50,
		"fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
		"bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"},
	{"\xaa", 131, "Test Using Larger Than Block-Size Key - Hash Key First", 0,
		"80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
		"6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
	{"\xaa", 131,
		"This is a test using a larger than block-size key and a larger than "
		"block-size data. The key needs to be hashed before being used by the "
		"HMAC algorithm.",
		0,
		"e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944"
		"b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58"},
};

static size_t
fill(char *room, const char *text, size_t repeat)
{
	size_t n = repeat > 0 ? repeat : strlen(text);

	for (size_t i = 0; i < n; i++)
		room[i] = repeat > 0 ? text[0] : text[i];
	return n;
}

START_TEST(rfc4231_vectors_hold)
{
	const struct vector *v = &vectors[_i];
	char key[200], data[200], mac[HMAC_SHA512_HEX_SIZE];
	size_t klen = fill(key, v->key, v->key_repeat);
	size_t n = fill(data, v->data, v->data_repeat);

	ck_assert(hmac_sha512_hex(key, klen, data, n, mac));
	ck_assert_str_eq(mac, v->mac);
}
END_TEST

START_TEST(nothing_is_hashed_without_a_pointer)
{
	char mac[HMAC_SHA512_HEX_SIZE], sha[SHA256_HEX_SIZE];

	ck_assert(hmac_sha512_hex(NULL, 0, NULL, 0, mac));
	ck_assert_str_eq(mac,
		"b936cee86c9f87aa5d3c6f2e84cb5a4239a5fe50480a6ec66b70ab5b1f4ac673"
		"0c6c515421b327ec1d69402e53dfb49ad7381eb067b338fd7b0cb22247225d47");
	ck_assert(sha256_hex(NULL, 0, sha));
	ck_assert_str_eq(sha,
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}
END_TEST

START_TEST(a_key_longer_than_int_is_refused)
{
	char mac[HMAC_SHA512_HEX_SIZE] = "x";

	ck_assert(!hmac_sha512_hex("k", (size_t)INT32_MAX + 1, "d", 1, mac));
	ck_assert_str_eq(mac, "");
}
END_TEST

START_TEST(sha256_is_fips_180_4)
{
	char sha[SHA256_HEX_SIZE];

	ck_assert(sha256_hex("abc", 3, sha));
	ck_assert_str_eq(sha,
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	ck_assert(sha256_hex("a\0c", 3, sha));
	ck_assert_str_eq(sha,
		"b179f49283f586ae1922b625af4017aecdf77e7ee175c0af675abea14252a666");
}
END_TEST

START_TEST(equal_means_equal_hex_in_any_case)
{
	char upper[] = WAHA_MAC;

	for (char *p = upper; *p != '\0'; p++)
		if (*p >= 'a')
			*p = (char)(*p - 'a' + 'A');
	ck_assert(hmac_equal_hex(WAHA_MAC, WAHA_MAC));
	ck_assert(hmac_equal_hex(WAHA_MAC, upper));
	ck_assert(hmac_equal_hex("0", "0"));
}
END_TEST

START_TEST(one_wrong_digit_anywhere_is_unequal)
{
	for (size_t i = 0; i < strlen(WAHA_MAC); i++) {
		char wrong[] = WAHA_MAC;

		wrong[i] = wrong[i] == '0' ? '1' : '0';
		ck_assert_msg(!hmac_equal_hex(WAHA_MAC, wrong), "digit %zu", i);
		ck_assert_msg(!hmac_equal_hex(wrong, WAHA_MAC), "digit %zu", i);
	}
}
END_TEST

START_TEST(what_is_not_hex_equals_nothing)
{
	ck_assert(!hmac_equal_hex(NULL, NULL));
	ck_assert(!hmac_equal_hex(WAHA_MAC, NULL));
	ck_assert(!hmac_equal_hex(NULL, WAHA_MAC));
	ck_assert(!hmac_equal_hex("", ""));
	ck_assert(!hmac_equal_hex("ab", "abc"));
	ck_assert(!hmac_equal_hex(WAHA_MAC "0", WAHA_MAC "0"));
	for (int c = 1; c < 256; c++) {
		char text[] = {'a', (char)c, '\0'};
		bool hex = strchr("0123456789abcdefABCDEF", c) != NULL;

		ck_assert_msg(hmac_equal_hex(text, text) == hex, "byte %d", c);
	}
	/* 0x11 differs from '1' in the bit that folds upper and lower case */
	ck_assert(!hmac_equal_hex("1", "\x11"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hmac");
	TCase *t = tcase_create("hmac");

	suite_add_tcase(s, t);
	tcase_add_test(t, waha_documents_this_signature);
	tcase_add_test(t, gowa_signs_with_sha256);
	tcase_add_loop_test(
		t, rfc4231_vectors_hold, 0, sizeof(vectors) / sizeof(vectors[0]));
	tcase_add_test(t, nothing_is_hashed_without_a_pointer);
	tcase_add_test(t, a_key_longer_than_int_is_refused);
	tcase_add_test(t, sha256_is_fips_180_4);
	tcase_add_test(t, equal_means_equal_hex_in_any_case);
	tcase_add_test(t, one_wrong_digit_anywhere_is_unequal);
	tcase_add_test(t, what_is_not_hex_equals_nothing);
	return unit_main(s);
}
