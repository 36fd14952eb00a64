#include "lib/log.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "t/unit/unit.h"

static FILE *captured;
static int real_stderr;

static void
capture(void)
{
	captured = tmpfile();
	ck_assert_ptr_nonnull(captured);
	real_stderr = dup(STDERR_FILENO);
	dup2(fileno(captured), STDERR_FILENO);
}

/* What was written since capture(); the caller frees it. */
static char *
release(void)
{
	struct buf b;
	int c;

	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	buf_init(&b, 1u << 20);
	rewind(captured);
	while ((c = getc(captured)) != EOF)
		buf_putc(&b, (char)c);
	fclose(captured);
	return buf_steal(&b);
}

/* The one line written since capture(), as an object that the caller releases. */
static json_t *
release_line(void)
{
	char *text = release(), *end = strchr(text, '\n');
	json_error_t e;
	json_t *line;

	ck_assert_msg(end != NULL && end[1] == '\0', "one line: %s", text);
	line = json_loads(text, JSON_REJECT_DUPLICATES, &e);
	ck_assert_msg(line != NULL, "%s: %s", e.text, text);
	free(text);
	return line;
}

static const char *
text_of(const json_t *line, const char *name)
{
	const char *s = json_string_value(json_object_get(line, name));

	return s != NULL ? s : "(absent)";
}

START_TEST(a_line_is_one_json_object)
{
	json_t *line;

	log_setup("unit", LOG_INFO);
	capture();
	log_write(LOG_WARN, "something", LOG_STR("path", "/a\"b\n"), LOG_INT("us", -5),
		LOG_STR("none", (const char *)NULL));
	line = release_line();
	ck_assert_str_eq(text_of(line, "program"), "unit");
	ck_assert_str_eq(text_of(line, "level"), "warn");
	ck_assert_str_eq(text_of(line, "event"), "something");
	ck_assert_str_eq(text_of(line, "path"), "/a\"b\n");
	ck_assert_str_eq(text_of(line, "none"), "");
	ck_assert_int_eq(json_integer_value(json_object_get(line, "us")), -5);
	ck_assert_uint_eq(strlen(text_of(line, "time")), 24);
	ck_assert_ptr_null(json_object_get(line, "requestId"));
	json_decref(line);
}
END_TEST

START_TEST(levels_below_the_lowest_are_silent)
{
	char *text;

	log_setup("unit", LOG_WARN);
	capture();
	log_write(LOG_DEBUG, "no", LOG_INT("n", 1));
	log_write(LOG_INFO, "no", LOG_INT("n", 1));
	text = release();
	ck_assert_str_eq(text, "");
	free(text);
	capture();
	log_write(LOG_ERROR, "yes", LOG_INT("n", 1));
	json_decref(release_line());
	log_setup("unit", LOG_INFO);
}
END_TEST

START_TEST(level_names)
{
	ck_assert_int_eq(log_level_of("debug"), LOG_DEBUG);
	ck_assert_int_eq(log_level_of("info"), LOG_INFO);
	ck_assert_int_eq(log_level_of("warn"), LOG_WARN);
	ck_assert_int_eq(log_level_of("error"), LOG_ERROR);
	ck_assert_int_eq(log_level_of("loud"), LOG_INFO);
	ck_assert_int_eq(log_level_of(NULL), LOG_INFO);
}
END_TEST

START_TEST(the_request_id_is_on_every_line_until_cleared)
{
	json_t *line;

	capture();
	log_request_id("abc-123\"\n");
	log_write(LOG_INFO, "x", LOG_INT("n", 1));
	line = release_line();
	ck_assert_str_eq(text_of(line, "requestId"), "abc-123");
	json_decref(line);
	capture();
	log_request_id(NULL);
	log_write(LOG_INFO, "x", LOG_INT("n", 1));
	line = release_line();
	ck_assert_ptr_null(json_object_get(line, "requestId"));
	json_decref(line);
}
END_TEST

START_TEST(fields_with_secret_names_are_redacted)
{
	static const char *const names[] = {"token", "key", "password", "authorization",
		"qr", "phone", "text", "secret", "api_key", "cookie"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		json_t *line;

		capture();
		log_write(LOG_INFO, "x", LOG_STR(names[i], "hunter2"));
		line = release_line();
		ck_assert_str_eq(text_of(line, names[i]), "[redacted]");
		json_decref(line);
	}
}
END_TEST

START_TEST(a_line_fits_a_pipe_and_stays_json)
{
	char *big = malloc(20000);
	json_t *line;
	char *text;

	memset(big, '"', 19999);
	big[19999] = '\0';
	capture();
	log_write(LOG_INFO, "x", LOG_STR("a", big), LOG_STR("b", big),
		LOG_STR("c", big), LOG_INT("n", 1));
	text = release();
	ck_assert_uint_le(strlen(text), 4096);
	line = json_loads(text, 0, NULL);
	ck_assert_msg(line != NULL, "%s", text);
	ck_assert_str_eq(text_of(line, "event"), "x");
	json_decref(line);
	free(text);
	free(big);
}
END_TEST

START_TEST(secrets_inside_texts_are_masked)
{
	static const char *const cases[][2] = {
		{"plain text 1234567", "plain text 1234567"},
		{"to 5511999999999@c.us", "to [redacted]@c.us"},
		{"n=12345678", "n=[redacted]"},
		{"id9912345678x", "id[redacted]x"},
		{"pool-1737485234-1 is ours", "pool-1737485234-1 is ours"},
		{"id 12345678-1234-4321-8123-123456789012.",
			"id 12345678-1234-4321-8123-123456789012."},
		{"pool-eyJhbGciOi.x", "pool-[redacted]"},
		{"Bearer eyJhbGciOi.eyJzdWIi.c2ln_-x now", "Bearer [redacted] now"},
		{"\"eyJhbGciOi\"", "\\\"[redacted]\\\""},
		{"heyJude", "heyJude"},
		{"qr 2@Abc/d+e==,f,g end", "qr [redacted] end"},
		{"postgres://u:p4ss@host/db", "postgres[redacted]@host/db"},
		{"http://host/path", "http://host/path"},
		{"http://host/a@b", "http://host/a@b"},
		{"whsec_c2VjcmV0 x", "[redacted] x"},
		{"sealed:v1:abc x", "[redacted] x"},
		{"ol\xc3\xa1\n", "ol\xc3\xa1\\n"},
		{"bad \xff", "bad \xef\xbf\xbd"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b;

		buf_init(&b, 200);
		ck_assert(log_mask(&b, cases[i][0]));
		ck_assert_str_eq(buf_str(&b), cases[i][1]);
		buf_free(&b);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {a_line_is_one_json_object,
		levels_below_the_lowest_are_silent, level_names,
		the_request_id_is_on_every_line_until_cleared,
		fields_with_secret_names_are_redacted,
		a_line_fits_a_pipe_and_stays_json, secrets_inside_texts_are_masked,
		NULL};

	return unit_main(unit_suite("log", tests));
}
