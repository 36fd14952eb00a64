#include "lib/seal.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t/unit/unit.h"

#define A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define B "ffeeddccbbaa99887766554433221100FFEEDDCCBBAA99887766554433221100"

/* made with Python's cryptography and a HChaCha20 of its own, nonce 00 01 02 ... 17 */
#define FOREIGN                                                                        \
	"sealed:v1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXwNu+jQ2pN44JAn31H4paRXltqNi8xQ=="

static char dir[] = "/tmp/seal-t.XXXXXX";
static char path[sizeof(dir) + 8];

static void
write_key_file(const char *text, mode_t mode)
{
	FILE *f;

	unlink(path);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

static struct seal_key *
ring(const char *text)
{
	struct err e = ERR_INIT;
	struct seal_key *k;

	write_key_file(text, 0600);
	k = seal_key_load(path, &e);
	ck_assert_msg(k != NULL, "%s", e.text);
	return k;
}

/* The sealed text of plain in gateways|7|api_key. The caller frees. */
static char *
sealed(const struct seal_key *k, const char *plain)
{
	struct err e = ERR_INIT;
	struct buf b;

	buf_init(&b, 100000);
	ck_assert_msg(seal(k, "gateways", "7", "api_key", plain, &b, &e), "%s", e.text);
	return buf_steal(&b);
}

/* What opening text there gives: ERR_NONE if it opened as plain. */
static enum err_code
opens(const struct seal_key *k, const char *table, const char *id, const char *column,
	const char *text, const char *plain)
{
	struct err e = ERR_INIT;
	struct buf b;

	buf_init(&b, 100000);
	if (unseal(k, table, id, column, text, &b, &e)) {
		ck_assert_int_eq(e.code, ERR_NONE);
		ck_assert_str_eq(buf_str(&b), plain);
	} else {
		ck_assert_int_ne(e.code, ERR_NONE);
		ck_assert_uint_eq(b.len, 0);
	}
	seal_wipe(&b);
	return e.code;
}

START_TEST(what_was_sealed_opens_in_its_place)
{
	static const char *const plain[] = {"", "a", "an api key", "\xc3\xa4|\n:v1:"};
	struct seal_key *k = ring(A "\n");
	char *text = sealed(k, plain[_i]);

	ck_assert(seal_is_sealed(text));
	ck_assert_int_eq(seal_version(text), 1);
	ck_assert_int_eq(
		opens(k, "gateways", "7", "api_key", text, plain[_i]), ERR_NONE);
	free(text);
	seal_key_free(k);
}
END_TEST

START_TEST(a_long_text_is_sealed_whole)
{
	struct seal_key *k = ring(A);
	char plain[20001], *text;

	memset(plain, 'x', 20000);
	plain[20000] = '\0';
	text = sealed(k, plain);
	ck_assert_int_eq(opens(k, "gateways", "7", "api_key", text, plain), ERR_NONE);
	free(text);
	seal_key_free(k);
}
END_TEST

START_TEST(a_text_moved_elsewhere_does_not_open)
{
	struct seal_key *k = ring("1 " A);
	char *text = sealed(k, "secret");

	ck_assert_int_eq(
		opens(k, "gateways", "8", "api_key", text, ""), ERR_UNAUTHORIZED);
	ck_assert_int_eq(
		opens(k, "webhooks", "7", "api_key", text, ""), ERR_UNAUTHORIZED);
	ck_assert_int_eq(
		opens(k, "gateways", "7", "secret", text, ""), ERR_UNAUTHORIZED);
	ck_assert_int_eq(opens(k, "gateways", "7|", "api_key", text, ""), ERR_INPUT);
	free(text);
	seal_key_free(k);
}
END_TEST

START_TEST(an_altered_text_does_not_open)
{
	struct seal_key *k = ring(A);
	char *text = sealed(k, "secret");

	for (size_t i = 0; i < strlen(text); i++) {
		char was = text[i];

		text[i] = was == 'A' ? 'B' : 'A';
		ck_assert_msg(
			opens(k, "gateways", "7", "api_key", text, "") != ERR_NONE,
			"byte %zu", i);
		text[i] = was;
	}
	for (size_t i = strlen(text); i-- > 0;) {
		text[i] = '\0';
		ck_assert_msg(
			opens(k, "gateways", "7", "api_key", text, "") != ERR_NONE,
			"cut to %zu bytes", i);
	}
	free(text);
	seal_key_free(k);
}
END_TEST

START_TEST(the_same_secret_never_looks_the_same_twice)
{
	struct seal_key *k = ring(A);
	char *one = sealed(k, "secret"), *two = sealed(k, "secret");

	ck_assert_str_ne(one, two);
	free(one);
	free(two);
	seal_key_free(k);
}
END_TEST

START_TEST(the_version_is_part_of_what_is_authenticated)
{
	struct seal_key *k = ring("1 " A "\n2 " A "\n");
	char *text = sealed(k, "secret");

	ck_assert_int_eq(seal_version(text), 2);
	text[strlen("sealed:v")] = '1';
	ck_assert_int_eq(
		opens(k, "gateways", "7", "api_key", text, ""), ERR_UNAUTHORIZED);
	free(text);
	seal_key_free(k);
}
END_TEST

START_TEST(after_a_rotation_old_texts_open_and_new_ones_use_the_new_key)
{
	struct seal_key *before = ring(A);
	char *old = sealed(before, "secret"), *new;
	struct seal_key *after = ring("# rotated\n\n20 " B "\r\n 1\t" A "  \n");

	ck_assert_int_eq(seal_key_current(after), 20);
	new = sealed(after, "secret");
	ck_assert_int_eq(seal_version(new), 20);
	ck_assert_int_eq(
		opens(after, "gateways", "7", "api_key", old, "secret"), ERR_NONE);
	ck_assert_int_eq(
		opens(after, "gateways", "7", "api_key", new, "secret"), ERR_NONE);
	ck_assert_int_eq(
		opens(before, "gateways", "7", "api_key", new, ""), ERR_CONFIG);
	free(old);
	free(new);
	seal_key_free(before);
	seal_key_free(after);
}
END_TEST

START_TEST(another_key_of_that_version_does_not_open)
{
	struct seal_key *a = ring(A), *b = ring(B);
	char *text = sealed(a, "secret");

	ck_assert_int_eq(
		opens(b, "gateways", "7", "api_key", text, ""), ERR_UNAUTHORIZED);
	free(text);
	seal_key_free(a);
	seal_key_free(b);
}
END_TEST

/* The format is a promise to databases that exist: this text was made by another
 * implementation of XChaCha20-Poly1305. */
START_TEST(a_text_sealed_elsewhere_opens)
{
	struct seal_key *k = ring("1 " A);

	ck_assert_int_eq(
		opens(k, "gateways", "7", "api_key", FOREIGN, "secret"), ERR_NONE);
	seal_key_free(k);
}
END_TEST

static const char *const unsealed[] = {NULL, "", "plain", "sealed:", "sealed:v",
	"sealed:v1", "sealed:1:AAAA", "sealed:v:AAAA", "sealed:v0:AAAA",
	"sealed:v01:AAAA", "sealed:v-1:AAAA", "sealed:v1000001:AAAA",
	"sealed:v99999999999999999999:AAAA", "SEALED:v1:AAAA", " sealed:v1:AAAA",
	"sealed:v1 :AAAA"};

START_TEST(what_is_not_sealed_is_told_apart)
{
	struct seal_key *k = ring(A);

	ck_assert(!seal_is_sealed(unsealed[_i]));
	ck_assert_int_eq(seal_version(unsealed[_i]), 0);
	ck_assert_int_eq(
		opens(k, "gateways", "7", "api_key", unsealed[_i], ""), ERR_INPUT);
	seal_key_free(k);
}
END_TEST

START_TEST(bad_base64_is_not_a_sealed_text)
{
	static const char *const bad[] = {"sealed:v1:", "sealed:v1:AAAA",
		"sealed:v1:====",
		"sealed:v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"sealed:v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"sealed:v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB==",
		"sealed:v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA A=",
		"sealed:v1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA-_A="};
	struct seal_key *k = ring(A);

	ck_assert_int_eq(opens(k, "gateways", "7", "api_key", bad[_i], ""), ERR_INPUT);
	seal_key_free(k);
}
END_TEST

START_TEST(a_place_must_be_named_unambiguously)
{
	static const struct {
		const char *table, *id, *column, *plain;
	} rows[] = {{NULL, "7", "c", "x"}, {"t", NULL, "c", "x"}, {"t", "7", NULL, "x"},
		{"", "7", "c", "x"}, {"t", "", "c", "x"}, {"t", "7", "", "x"},
		{"t|7", "8", "c", "x"}, {"t", "7|8", "c", "x"}, {"t", "7", "8|c", "x"},
		{"t", "7", "c", NULL}};
	struct seal_key *k = ring(A);
	struct err e = ERR_INIT;
	struct buf b;

	buf_init(&b, 1000);
	ck_assert(!seal(k, rows[_i].table, rows[_i].id, rows[_i].column, rows[_i].plain,
		&b, &e));
	ck_assert_int_eq(e.code, ERR_INPUT);
	ck_assert_uint_eq(b.len, 0);
	buf_free(&b);
	seal_key_free(k);
}
END_TEST

START_TEST(a_buffer_that_is_too_small_stays_as_it_was)
{
	struct seal_key *k = ring(A);
	char *text = sealed(k, "secret");
	struct err e = ERR_INIT;
	struct buf b;

	buf_init(&b, strlen(text) + 2);
	ck_assert(buf_puts(&b, "abc"));
	ck_assert(!seal(k, "gateways", "7", "api_key", "secret", &b, &e));
	ck_assert_int_eq(e.code, ERR_TOO_LARGE);
	ck_assert_str_eq(buf_str(&b), "abc");
	ck_assert(!b.failed);
	buf_free(&b);
	err_clear(&e);
	buf_init(&b, strlen("secret") - 1);
	ck_assert(!unseal(k, "gateways", "7", "api_key", text, &b, &e));
	ck_assert_int_eq(e.code, ERR_TOO_LARGE);
	ck_assert_uint_eq(b.len, 0);
	buf_free(&b);
	free(text);
	seal_key_free(k);
}
END_TEST

START_TEST(wiping_leaves_an_empty_buffer)
{
	struct buf b;

	buf_init(&b, 10);
	ck_assert(buf_puts(&b, "secret"));
	seal_wipe(&b);
	ck_assert_ptr_null(b.data);
	ck_assert_uint_eq(b.len, 0);
	ck_assert_uint_eq(b.max, 10);
	seal_wipe(&b);
	seal_wipe(NULL);
	seal_key_free(NULL);
}
END_TEST

#define ROWS(a) (int)(sizeof(a) / sizeof((a)[0]))

static TCase *
opening(void)
{
	TCase *t = tcase_create("opening");

	tcase_add_loop_test(t, what_was_sealed_opens_in_its_place, 0, 4);
	tcase_add_test(t, a_long_text_is_sealed_whole);
	tcase_add_test(t, a_text_moved_elsewhere_does_not_open);
	tcase_add_test(t, an_altered_text_does_not_open);
	tcase_add_test(t, the_same_secret_never_looks_the_same_twice);
	tcase_add_test(t, the_version_is_part_of_what_is_authenticated);
	tcase_add_test(t, after_a_rotation_old_texts_open_and_new_ones_use_the_new_key);
	tcase_add_test(t, another_key_of_that_version_does_not_open);
	tcase_add_test(t, a_text_sealed_elsewhere_opens);
	tcase_add_loop_test(t, what_is_not_sealed_is_told_apart, 0, ROWS(unsealed));
	tcase_add_loop_test(t, bad_base64_is_not_a_sealed_text, 0, 8);
	tcase_add_loop_test(t, a_place_must_be_named_unambiguously, 0, 10);
	tcase_add_test(t, a_buffer_that_is_too_small_stays_as_it_was);
	tcase_add_test(t, wiping_leaves_an_empty_buffer);
	return t;
}

int
main(void)
{
	Suite *s = suite_create("seal");
	int failed;

	if (sodium_init() < 0 || mkdtemp(dir) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/key", dir);
	suite_add_tcase(s, opening());
	failed = unit_main(s);
	unlink(path);
	rmdir(dir);
	return failed;
}
