#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/seal.h"
#include "t/unit/unit.h"

#define ROWS(a) (int)(sizeof(a) / sizeof((a)[0]))
#define A "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define B "ffeeddccbbaa99887766554433221100FFEEDDCCBBAA99887766554433221100"

static char dir[] = "/tmp/seal-key-t.XXXXXX";
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

static const struct file {
	const char *text;
	mode_t mode;
	const char *reason;
} bad_files[] = {
	{"", 0600, "no key"},
	{"# only a comment\n\n", 0600, "no key"},
	{A, 0604, "open to others"},
	{A, 0602, "open to others"},
	{A, 0601, "open to others"},
	{"1 " A "0", 0600, "line 1"},
	{"1 00112233", 0600, "line 1"},
	{"0 " A, 0600, "line 1"},
	{"-1 " A, 0600, "line 1"},
	{"1000001 " A, 0600, "line 1"},
	{"99999999999999999999 " A, 0600, "line 1"},
	{"1" A, 0600, "line 1"},
	{"one " A, 0600, "line 1"},
	{"1 " A " more", 0600, "line 1"},
	{"1 g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", 0600,
		"line 1"},
	{"1 " A "\n1 " B "\n", 0600, "line 2"},
	{A "\n" B "\n", 0600, "line 2"},
	{A "\n2 " B "\n", 0600, "line 2"},
	{"# x\n2 " B "\n" A "\n", 0600, "line 3"},
};

START_TEST(a_bad_key_file_is_refused_with_its_reason)
{
	const struct file *f = &bad_files[_i];
	struct err e = ERR_INIT;

	write_key_file(f->text, f->mode);
	ck_assert_ptr_null(seal_key_load(path, &e));
	ck_assert_int_eq(e.code, ERR_CONFIG);
	ck_assert_msg(strstr(e.text, f->reason) != NULL, "%s", e.text);
	ck_assert_ptr_nonnull(strstr(e.text, path));
	ck_assert_ptr_null(strstr(e.text, "00112233"));
}
END_TEST

START_TEST(a_key_file_may_be_open_to_its_group)
{
	struct seal_key *k;

	write_key_file(A, 0440);
	k = seal_key_load(path, NULL);
	ck_assert_ptr_nonnull(k);
	seal_key_free(k);
}
END_TEST

START_TEST(only_a_regular_file_is_read)
{
	struct err e = ERR_INIT;

	ck_assert_ptr_null(seal_key_load(dir, &e));
	ck_assert_ptr_nonnull(strstr(e.text, "not a regular file"));
	err_clear(&e);
	unlink(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_ptr_null(seal_key_load(path, &e));
	ck_assert_ptr_nonnull(strstr(e.text, "not a regular file"));
	err_clear(&e);
	unlink(path);
	ck_assert_ptr_null(seal_key_load(path, &e));
	ck_assert_int_eq(e.code, ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(e.text, "No such file"));
}
END_TEST

START_TEST(more_versions_than_there_is_room_for_are_refused)
{
	char text[(SEAL_VERSIONS_MAX + 1) * (sizeof(A) + 4)] = "";
	struct err e = ERR_INIT;
	struct seal_key *k;
	size_t n = 0, fit = 0;

	for (int i = 1; i <= SEAL_VERSIONS_MAX + 1; i++) {
		fit = n;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%d %s\n", i, A);
	}
	write_key_file(text, 0600);
	ck_assert_ptr_null(seal_key_load(path, &e));
	ck_assert_int_eq(e.code, ERR_CONFIG);
	text[fit] = '\0';
	write_key_file(text, 0600);
	k = seal_key_load(path, NULL);
	ck_assert_ptr_nonnull(k);
	ck_assert_int_eq(seal_key_current(k), SEAL_VERSIONS_MAX);
	seal_key_free(k);
}
END_TEST

START_TEST(a_created_key_file_loads_and_is_private)
{
	struct buf text, plain;
	struct err e = ERR_INIT;
	struct seal_key *k;
	struct stat st;

	unlink(path);
	ck_assert(seal_key_create(path, &e));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0600);
	k = seal_key_load(path, &e);
	ck_assert_msg(k != NULL, "%s", e.text);
	ck_assert_int_eq(seal_key_current(k), 1);
	buf_init(&text, 1000);
	buf_init(&plain, 1000);
	ck_assert(seal(k, "t", "7", "c", "secret", &text, &e));
	ck_assert(unseal(k, "t", "7", "c", text.data, &plain, &e));
	ck_assert_str_eq(plain.data, "secret");
	seal_wipe(&plain);
	buf_free(&text);
	seal_key_free(k);
}
END_TEST

/* All of the file; what a second one must differ from. */
static void
read_key_file(char text[100])
{
	FILE *f = fopen(path, "r");

	ck_assert_ptr_nonnull(f);
	text[fread(text, 1, 99, f)] = '\0';
	ck_assert_int_eq(fclose(f), 0);
}

START_TEST(created_keys_are_random)
{
	char one[100], two[100];

	unlink(path);
	ck_assert(seal_key_create(path, NULL));
	read_key_file(one);
	unlink(path);
	ck_assert(seal_key_create(path, NULL));
	read_key_file(two);
	ck_assert_uint_eq(strlen(one), strlen("1 " A "\n"));
	ck_assert_str_ne(one, two);
}
END_TEST

START_TEST(a_key_file_is_never_overwritten)
{
	struct err e = ERR_INIT;
	char text[100];

	write_key_file(A, 0600);
	ck_assert(!seal_key_create(path, &e));
	ck_assert_int_eq(e.code, ERR_CONFLICT);
	read_key_file(text);
	ck_assert_str_eq(text, A);
	err_clear(&e);
	ck_assert(!seal_key_create("/nonexistent/key", &e));
	ck_assert_int_eq(e.code, ERR_CONFIG);
}
END_TEST

START_TEST(a_key_is_added_and_the_older_ones_still_open)
{
	char fresh[sizeof(path) + 8];
	struct err e = ERR_INIT;
	struct seal_key *k;
	struct buf sealed, plain;
	struct stat st;
	int version = 0;

	unlink(path);
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	buf_init(&sealed, 1000);
	buf_init(&plain, 1000);
	ck_assert(!seal_key_add(path, &version, &e)); /* there is none */
	err_clear(&e);
	ck_assert(seal_key_create(path, &e));
	ck_assert_int_eq(chmod(path, 0640), 0);
	k = seal_key_load(path, &e);
	ck_assert(seal(k, "t", "1", "c", "secret", &sealed, &e));
	seal_key_free(k);
	ck_assert_msg(seal_key_add(path, &version, &e), "%s", e.text);
	ck_assert_int_eq(version, 2);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0640);
	ck_assert_int_ne(access(fresh, F_OK), 0);
	k = seal_key_load(path, &e);
	ck_assert_ptr_nonnull(k);
	ck_assert_int_eq(seal_key_current(k), 2);
	ck_assert(unseal(k, "t", "1", "c", buf_str(&sealed), &plain, &e));
	ck_assert_str_eq(buf_str(&plain), "secret");
	seal_key_free(k);
	ck_assert(seal_key_add(path, &version, &e));
	ck_assert_int_eq(version, 3);
	buf_free(&sealed);
	seal_wipe(&plain);
}
END_TEST

static TCase *
key_files(void)
{
	TCase *t = tcase_create("key files");

	tcase_add_loop_test(
		t, a_bad_key_file_is_refused_with_its_reason, 0, ROWS(bad_files));
	tcase_add_test(t, a_key_file_may_be_open_to_its_group);
	tcase_add_test(t, only_a_regular_file_is_read);
	tcase_add_test(t, more_versions_than_there_is_room_for_are_refused);
	tcase_add_test(t, a_created_key_file_loads_and_is_private);
	tcase_add_test(t, created_keys_are_random);
	tcase_add_test(t, a_key_file_is_never_overwritten);
	tcase_add_test(t, a_key_is_added_and_the_older_ones_still_open);
	return t;
}

int
main(void)
{
	Suite *s = suite_create("seal-key");
	int failed;

	if (sodium_init() < 0 || mkdtemp(dir) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/key", dir);
	suite_add_tcase(s, key_files());
	failed = unit_main(s);
	unlink(path);
	rmdir(dir);
	return failed;
}
