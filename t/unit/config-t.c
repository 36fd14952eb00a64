#include "lib/config.h"

#include <stdlib.h>
#include <string.h>

#include "t/unit/unit.h"

/* Each test begins with none of our settings in the environment. */
static void
forget_all(void)
{
	struct config_help h;

	for (size_t i = 0; config_help(i, &h); i++) {
		unsetenv(h.name);
		if (h.alias != NULL)
			unsetenv(h.alias);
	}
}

/* Loads with one setting changed; the error's text is kept for looking at. */
static bool
load_with(const char *name, const char *value, struct config *c, struct err *e)
{
	bool ok;

	forget_all();
	*e = (struct err)ERR_INIT;
	setenv(name, value, 1);
	ok = config_load(c, e);
	unsetenv(name);
	return ok;
}

START_TEST(everything_has_a_default)
{
	struct config c;
	struct err e = ERR_INIT;

	forget_all();
	ck_assert_msg(config_load(&c, &e), "%s", e.text);
	ck_assert_int_eq(c.pool_target, 10);
	ck_assert_int_eq(c.pool_low, 5);
	ck_assert_int_eq(c.pool_step, 10);
	ck_assert_int_eq(c.db_pool, 4);
	ck_assert_str_eq(c.database_url, "");
	ck_assert_str_eq(c.log_level, "info");
	config_free(&c);
	ck_assert_ptr_null(c.log_level);
	config_free(&c);
	config_free(NULL);
}
END_TEST

START_TEST(the_table_agrees_with_itself)
{
	struct config_help a, b;
	struct config c;
	struct err e;

	for (size_t i = 0; config_help(i, &a); i++) {
		ck_assert(*a.name != '\0' && *a.help != '\0');
		ck_assert_ptr_nonnull(a.fallback);
		for (size_t k = 0; k < i; k++) {
			ck_assert(config_help(k, &b));
			ck_assert_str_ne(a.name, b.name);
		}
		ck_assert_msg(load_with(a.name, a.fallback, &c, &e), "%s", e.text);
		config_free(&c);
	}
}
END_TEST

START_TEST(an_alias_counts_when_the_name_is_unset)
{
	struct config c;
	struct err e;

	ck_assert(load_with("DB_URI", "postgres://alias", &c, &e));
	ck_assert_str_eq(c.database_url, "postgres://alias");
	config_free(&c);
	setenv("DB_URI", "postgres://alias", 1);
	setenv("DATABASE_URL", "postgres://name", 1);
	ck_assert(config_load(&c, NULL));
	ck_assert_str_eq(c.database_url, "postgres://name");
	config_free(&c);
	setenv("DATABASE_URL", "", 1);
	ck_assert(config_load(&c, NULL));
	ck_assert_str_eq(c.database_url, "postgres://alias");
	config_free(&c);
	forget_all();
}
END_TEST

START_TEST(numbers_keep_to_their_range)
{
	static const struct {
		const char *name, *value;
		bool ok;
	} cases[] = {
		{"THREADS", "0", true},
		{"THREADS", "256", true},
		{"THREADS", "257", false},
		{"THREADS", "-1", false},
		{"THREADS", "8x", false},
		{"THREADS", "many", false},
		{"THREADS", "1.5", false},
		{"THREADS", "99999999999999999999", false},
		{"THREADS", "4294967297", false},
		{"DB_POOL", "0", false},
		{"DB_POOL", "1", true},
		{"REQUEST_DEADLINE_MS", "499", false},
		{"REQUEST_DEADLINE_MS", "500", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config c;
		struct err e;
		bool ok = load_with(cases[i].name, cases[i].value, &c, &e);

		ck_assert_msg(
			ok == cases[i].ok, "%s=%s", cases[i].name, cases[i].value);
		if (!ok) {
			ck_assert_int_eq(e.code, ERR_CONFIG);
			ck_assert_ptr_nonnull(strstr(e.text, cases[i].name));
			ck_assert_ptr_null(c.log_level);
		}
		config_free(&c);
	}
}
END_TEST

START_TEST(a_refused_secret_is_not_told)
{
	struct config c;
	struct err e;

	ck_assert(!load_with("JWT_SECRET", "hunter2hunter2", &c, &e));
	ck_assert_ptr_nonnull(strstr(e.text, "JWT_SECRET"));
	ck_assert_ptr_null(strstr(e.text, "hunter2"));
	ck_assert(load_with("JWT_SECRET", "0123456789abcdef0123456789abcdef", &c, &e));
	config_free(&c);
}
END_TEST

START_TEST(texts_are_checked)
{
	static const struct {
		const char *name, *value;
		bool ok;
	} cases[] = {
		{"LOG_LEVEL", "debug", true},
		{"LOG_LEVEL", "loud", false},
		{"WAHA_URL", "http://waha:3000", true},
		{"WAHA_URL", "https://waha", true},
		{"WAHA_URL", "waha:3000", false},
		{"EVOLUTION_API_URL", "https://evolution", true},
		{"EVOLUTION_API_URL", "evolution:8080", false},
		{"PUBLIC_URL", "ftp://x", false},
		{"PUBLIC_URL", "https://x", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config c;
		struct err e;

		ck_assert_msg(
			load_with(cases[i].name, cases[i].value, &c, &e) == cases[i].ok,
			"%s=%s", cases[i].name, cases[i].value);
		config_free(&c);
	}
}
END_TEST

START_TEST(a_server_is_of_one_kind)
{
	struct config c;
	struct err e = ERR_INIT;

	forget_all();
	setenv("WAHA_URL", "http://gateway:3000", 1);
	setenv("EVOLUTION_API_URL", "http://gateway:3000", 1);
	ck_assert(!config_load(&c, &e));
	ck_assert_int_eq(e.code, ERR_CONFIG);
	setenv("EVOLUTION_API_URL", "http://gateway:8080", 1);
	ck_assert_msg(config_load(&c, &e), "%s", e.text);
	config_free(&c);
	forget_all();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {everything_has_a_default,
		the_table_agrees_with_itself, an_alias_counts_when_the_name_is_unset,
		numbers_keep_to_their_range, a_refused_secret_is_not_told,
		texts_are_checked, a_server_is_of_one_kind, NULL};

	return unit_main(unit_suite("config", tests));
}
