/* What a client may want of a server, member by member. */
#include <sodium.h>
#include <string.h>

#include "lib/guard.h"
#include "lib/registry.h"
#include "t/unit/unit.h"

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define ANA "0f8fad5b-d9cb-469f-a165-70867728950e"
#define BEA "7c9e6679-7425-40de-944b-e07fc1f90ae7"
#define LEAST "\"nome\":\"a\",\"api_url\":\"https://waha.example\""

static const struct user ana = {.id = ANA}, admin = {.id = BEA, .admin = true};
static const struct guard nothing_more = {.n = 0};

/* The faults of a body, as "/pointer /pointer". */
static const char *
read_as(struct registry_entry *entry, enum registry_mode mode, const struct user *u,
	const char *text)
{
	static char pointers[2048];
	json_t *body = json_loads(text, JSON_ALLOW_NUL, NULL), *faults, *one;
	size_t i;

	ck_assert_msg(body != NULL, "not JSON: %s", text);
	faults = registry_entry_read(entry, body, mode, u, &nothing_more, LANG_EN);
	ck_assert(faults != NULL);
	*pointers = '\0';
	json_array_foreach(faults, i, one) {
		const char *detail = json_string_value(json_object_get(one, "detail"));

		ck_assert(detail != NULL && *detail != '\0');
		ck_assert_msg(strstr(detail, "CANARY") == NULL, "%s", detail);
		snprintf(pointers + strlen(pointers),
			sizeof(pointers) - strlen(pointers), "%s%s", i > 0 ? " " : "",
			json_string_value(json_object_get(one, "pointer")));
	}
	json_decref(faults);
	json_decref(body);
	return pointers;
}

static void
is_value(const struct registry_entry *entry, enum registry_field f, const char *want)
{
	if (want == NULL)
		ck_assert_msg(entry->value[f] == NULL, "%d: %s", f, entry->value[f]);
	else
		ck_assert_msg(
			entry->value[f] != NULL && strcmp(entry->value[f], want) == 0,
			"%d: %s, not %s", f,
			entry->value[f] != NULL ? entry->value[f] : "NULL", want);
}

START_TEST(a_new_server_has_the_documented_defaults)
{
	static const char *const want[] = {"a", "https://waha.example", NULL, "true",
		NULL, "30", "3", "100", "0", "50", "waha", NULL};
	struct registry_entry entry = {.owner = ""};

	ck_assert_str_eq(read_as(&entry, REGISTRY_CREATE, &ana, "{" LEAST "}"), "");
	for (int f = 0; f < REGISTRY_SECRET; f++)
		is_value(&entry, (enum registry_field)f, want[f]);
	/* its webhooks are signed from the beginning */
	ck_assert_uint_eq(strlen(entry.value[REGISTRY_SECRET]), 64);
	ck_assert(entry.given[REGISTRY_NOME] && !entry.given[REGISTRY_TIMEOUT]);
	ck_assert_str_eq(entry.owner, ANA);
	registry_entry_free(&entry);
	is_value(&entry, REGISTRY_NOME, NULL);
	registry_entry_free(NULL);
}
END_TEST

START_TEST(each_member_keeps_to_its_range)
{
	static const struct {
		const char *member;
		bool good;
	} cases[] = {{"\"nome\":\"\"", false}, {"\"nome\":null", false},
		{"\"nome\":7", false}, {"\"nome\":\"a\\nb\"", false},
		{"\"nome\":\"\\u007f\"", false}, {"\"nome\":\"Zé\"", true},
		{"\"descricao\":\"a\\nb\\tc\"", true}, {"\"descricao\":null", true},
		{"\"descricao\":\"\\u0007\"", false}, {"\"ativo\":false", true},
		{"\"ativo\":1", false}, {"\"ativo\":\"true\"", false},
		{"\"ativo\":null", true}, {"\"timeout\":1", true},
		{"\"timeout\":300", true}, {"\"timeout\":0", false},
		{"\"timeout\":301", false}, {"\"timeout\":1.0", false},
		{"\"timeout\":\"30\"", false}, {"\"timeout\":true", false},
		{"\"retry_attempts\":0", true}, {"\"retry_attempts\":20", true},
		{"\"retry_attempts\":21", false}, {"\"rate_limit\":0", true},
		{"\"rate_limit\":1000000", true}, {"\"rate_limit\":-1", false},
		{"\"rate_limit\":1000001", false}, {"\"prioridade\":10", true},
		{"\"prioridade\":11", false}, {"\"max_sessions\":100000", true},
		{"\"max_sessions\":100001", false},
		{"\"max_sessions\":9223372036854775807", false},
		{"\"kind\":\"evolution\"", true}, {"\"kind\":\"gowa\"", true},
		{"\"kind\":\"telegram\"", false}, {"\"kind\":\"WAHA\"", false},
		{"\"webhook_url\":\"http://10.0.0.1/told-not-called\"", true},
		{"\"webhook_url\":\"ftp://x\"", false}, {"\"api_key\":\"k\"", true},
		{"\"api_key\":\"a b\"", false},
		{"\"api_key\":\"a\\r\\nX: CANARY\"", false},
		{"\"api_key\":\"****1234\"", false}, {"\"api_key\":null", true},
		{"\"webhook_secret\":\"fifteen-letters\"", false},
		{"\"webhook_secret\":\"sixteen--letters\"", true}};
	char body[400], pointer[40];

	for (int i = 0; i < N(cases); i++) {
		struct registry_entry entry = {.owner = ""};

		snprintf(body, sizeof(body), "{%s}", cases[i].member);
		snprintf(pointer, sizeof(pointer), "/%.*s",
			(int)strcspn(cases[i].member + 1, "\""), cases[i].member + 1);
		ck_assert_msg(strcmp(read_as(&entry, REGISTRY_CHANGE, &ana, body),
				      cases[i].good ? "" : pointer) == 0,
			"%s", cases[i].member);
		registry_entry_free(&entry);
	}
}
END_TEST

START_TEST(lengths_count_characters)
{
	struct registry_entry entry = {.owner = ""};
	char body[800] = "{\"nome\":\"";

	for (int i = 0; i < 255; i++)
		strcat(body, "é");
	strcat(body, "\"}");
	ck_assert_str_eq(read_as(&entry, REGISTRY_CHANGE, &ana, body), "");
	strcpy(body + strlen(body) - 2, "x\"}");
	ck_assert_str_eq(read_as(&entry, REGISTRY_CHANGE, &ana, body), "/nome");
	registry_entry_free(&entry);
}
END_TEST

START_TEST(addresses_are_public_and_bases)
{
	static const char *const bad[] = {"http://10.0.0.1", "http://0x7f.1",
		"http://[::1]:3000", "http://169.254.169.254", "waha.example",
		"http://u:p@waha.example", "http://waha.example:22",
		"http://waha.example?x=y", "http://waha.example#x", ""};
	char body[200];

	for (int i = 0; i < N(bad); i++) {
		struct registry_entry entry = {.owner = ""};

		snprintf(body, sizeof(body), "{\"api_url\":\"%s\"}", bad[i]);
		ck_assert_msg(strcmp(read_as(&entry, REGISTRY_CHANGE, &ana, body),
				      "/api_url") == 0,
			"%s", bad[i]);
		registry_entry_free(&entry);
	}
}
END_TEST

START_TEST(all_that_is_wrong_is_told_at_once)
{
	struct registry_entry entry = {.owner = ""};

	ck_assert_str_eq(
		read_as(&entry, REGISTRY_CREATE, &ana, "{}"), "/nome /api_url");
	ck_assert_str_eq(read_as(&entry, REGISTRY_CREATE, &ana,
				 "{\"nome\":1,\"timeout\":0,\"x/y~z\":1,"
				 "\"sessions_ativas\":0}"),
		"/nome /api_url /timeout /x~1y~0z /sessions_ativas");
	registry_entry_free(&entry);
}
END_TEST

/* Mass assignment: what the database or wapool finds out is nobody's to write. */
START_TEST(nobody_writes_what_is_not_his)
{
	static const char *const members[] = {"id", "sessions_ativas", "health",
		"health_reason", "version", "checked_at", "draining", "removing",
		"webhook_secret_set", "created_at", "updated_at", "revision",
		"api_key_sealed", "draining_at", "failures"};
	char body[200], pointer[40];

	for (int i = 0; i < N(members); i++) {
		struct registry_entry entry = {.owner = ""};

		snprintf(body, sizeof(body), "{\"%s\":null}", members[i]);
		snprintf(pointer, sizeof(pointer), "/%s", members[i]);
		ck_assert_str_eq(
			read_as(&entry, REGISTRY_CHANGE, &admin, body), pointer);
		registry_entry_free(&entry);
	}
}
END_TEST

START_TEST(only_an_administrator_says_whose_it_is)
{
	struct registry_entry entry = {.owner = ""};

	ck_assert_str_eq(read_as(&entry, REGISTRY_CREATE, &ana,
				 "{" LEAST ",\"user_id\":\"" BEA "\"}"),
		"/user_id");
	ck_assert_str_eq(entry.owner, ANA);
	ck_assert_str_eq(read_as(&entry, REGISTRY_CREATE, &admin,
				 "{" LEAST ",\"user_id\":\"" ANA "\"}"),
		"");
	ck_assert_str_eq(entry.owner, ANA);
	ck_assert_str_eq(read_as(&entry, REGISTRY_CREATE, &admin, "{" LEAST "}"), "");
	ck_assert_str_eq(entry.owner, ""); /* the platform's */
	ck_assert_str_eq(read_as(&entry, REGISTRY_CREATE, &admin,
				 "{" LEAST ",\"user_id\":\"me\"}"),
		"/user_id");
	/* not even he gives one away later */
	ck_assert_str_eq(
		read_as(&entry, REGISTRY_CHANGE, &admin, "{\"user_id\":\"" ANA "\"}"),
		"/user_id");
	registry_entry_free(&entry);
}
END_TEST

START_TEST(a_replacement_has_defaults_and_leaves_the_secrets)
{
	struct registry_entry entry = {.owner = ""};

	ck_assert_str_eq(read_as(&entry, REGISTRY_CREATE, &ana,
				 "{" LEAST ",\"timeout\":7,\"descricao\":\"x\","
				 "\"api_key\":\"key\"}"),
		"");
	ck_assert_str_eq(read_as(&entry, REGISTRY_REPLACE, &ana, "{" LEAST "}"), "");
	is_value(&entry, REGISTRY_TIMEOUT, "30");
	is_value(&entry, REGISTRY_DESCRICAO, NULL);
	is_value(&entry, REGISTRY_KEY, "key");
	ck_assert_str_eq(
		read_as(&entry, REGISTRY_REPLACE, &ana, "{}"), "/nome /api_url");
	registry_entry_free(&entry);
}
END_TEST

START_TEST(a_change_touches_what_it_names)
{
	struct registry_entry entry = {.owner = ""};

	read_as(&entry, REGISTRY_CREATE, &ana, "{" LEAST ",\"timeout\":7}");
	memset(entry.given, 0, sizeof(entry.given));
	ck_assert_str_eq(read_as(&entry, REGISTRY_CHANGE, &ana,
				 "{\"prioridade\":9,\"rate_limit\":null}"),
		"");
	is_value(&entry, REGISTRY_PRIORITY, "9");
	is_value(&entry, REGISTRY_RATE, "100"); /* null is the default */
	is_value(&entry, REGISTRY_TIMEOUT, "7");
	ck_assert(entry.given[REGISTRY_RATE] && !entry.given[REGISTRY_NOME]);
	registry_entry_free(&entry);
}
END_TEST

START_TEST(a_test_needs_an_address_and_takes_a_key_and_a_kind)
{
	static const struct {
		const char *body, *pointer;
	} cases[] = {{"{\"api_url\":\"https://a.example\"}", NULL},
		{"{\"api_url\":\"https://"
		 "a.example\",\"api_key\":\"k\",\"kind\":\"gowa\"}",
			NULL},
		{"{\"api_url\":\"https://a.example\",\"kind\":null}", NULL},
		{"{}", "/api_url"}, {"{\"api_url\":\"http://127.0.0.1\"}", "/api_url"},
		{"{\"api_url\":\"https://a.example\",\"nome\":\"x\"}", "/nome"}};

	for (int i = 0; i < N(cases); i++) {
		struct registry_entry entry = {.owner = ""};
		json_t *body = json_loads(cases[i].body, 0, NULL);
		json_t *faults =
			registry_entry_read_test(&entry, body, &nothing_more, LANG_PT);
		const json_t *one = json_array_get(faults, 0);

		ck_assert_uint_eq(
			json_array_size(faults), cases[i].pointer != NULL ? 1 : 0);
		if (one != NULL)
			ck_assert_str_eq(
				json_string_value(json_object_get(one, "pointer")),
				cases[i].pointer);
		else if (i != 1)
			is_value(&entry, REGISTRY_KIND, NULL);
		json_decref(faults);
		json_decref(body);
		registry_entry_free(&entry);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {a_new_server_has_the_documented_defaults,
		each_member_keeps_to_its_range, lengths_count_characters,
		addresses_are_public_and_bases, all_that_is_wrong_is_told_at_once,
		nobody_writes_what_is_not_his, only_an_administrator_says_whose_it_is,
		a_replacement_has_defaults_and_leaves_the_secrets,
		a_change_touches_what_it_names,
		a_test_needs_an_address_and_takes_a_key_and_a_kind, NULL};

	return sodium_init() < 0 ? 1 : unit_main(unit_suite("registry-entry", tests));
}
