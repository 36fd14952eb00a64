#include "lib/auth.h"

#include <curl/curl.h>
#include <pthread.h>
#include <time.h>

#include "lib/http.h"
#include "lib/log.h"
#include "t/unit/fake-http.h"
#include "t/unit/jwt-mint.h"

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define HS256 "{\"alg\":\"HS256\"}"
#define TEN_SECONDS 10000
#define A_MINUTE 60000
#define TEN_MINUTES 600000

static char *
claims(const char *more)
{
	static char text[1000];

	snprintf(text, sizeof(text), "{" SUB ",\"exp\":%lld%s}",
		(long long)time(NULL) + 600, more);
	return text;
}

/* An application that has only what auth needs; texts are "" where not set. */
static void
make_app(struct app *app, char *secret, char *file, char *url)
{
	static char none[] = "";

	*app = (struct app){.config = {.jwt_secret = secret != NULL ? secret : none,
				    .jwks_file = file != NULL ? file : none,
				    .jwks_url = url != NULL ? url : none,
				    .jwt_issuer = none,
				    .jwt_audience = none}};
	app->http = http_new("", "", NULL);
}

static void
free_app(struct app *app)
{
	jwt_keys_free(app->jwt);
	http_free(app->http);
}

/* Asks with that Authorization header (NULL: none); the status of the refusal, or 0. */
static int
ask(struct app *app, const char *header, struct user *u)
{
	char env[JWT_TOKEN_MAX + 100];
	struct response rs;
	struct request rq;
	int status = 0;

	snprintf(env, sizeof(env), "HTTP_AUTHORIZATION=%s",
		header != NULL ? header : "");
	request_init(&rq, (char *const[]){header != NULL ? env : NULL, NULL});
	rq.deadline = deadline_in(A_MINUTE);
	response_init(&rs);
	if (!auth_token(app, &rq, u, &rs)) {
		status = rs.status;
		ck_assert_str_eq(u->id, "");
		ck_assert(!u->admin);
		if (status == 401)
			ck_assert_ptr_nonnull(strstr(
				buf_str(&rs.headers), "WWW-Authenticate: Bearer"));
		ck_assert_ptr_null(strstr(buf_str(&rs.body), "eyJ"));
	}
	response_free(&rs);
	request_free(&rq);
	return status;
}

static int
ask_with(struct app *app, const char *before, char *token, const char *after,
	struct user *u)
{
	char header[JWT_TOKEN_MAX];

	snprintf(header, sizeof(header), "%s%s%s", before, token, after);
	free(token);
	return ask(app, header, u);
}

/* --- the header */

START_TEST(a_bearer_token_says_who_asks)
{
	char secret[] = SECRET;
	struct err e = ERR_INIT;
	struct app app;
	struct user u;

	make_app(&app, secret, NULL, NULL);
	ck_assert(auth_open(&app, &e));
	ck_assert_int_eq(
		ask_with(&app, "Bearer ", mint_hs256(HS256, claims("")), "", &u), 0);
	ck_assert_str_eq(u.id, USER);
	ck_assert_str_eq(u.email, "");
	ck_assert(!u.admin);
	ck_assert_int_eq(
		ask_with(&app, "Bearer ",
			mint_hs256(HS256,
				claims(",\"email\":\"ana@example.org\","
				       "\"app_metadata\":{\"role\":\"admin\"}")),
			"", &u),
		0);
	ck_assert_str_eq(u.email, "ana@example.org");
	ck_assert(u.admin);
	ck_assert_int_eq(
		ask_with(&app, "Bearer ",
			mint_hs256(HS256,
				claims(",\"user_metadata\":{\"role\":\"admin\"}")),
			"", &u),
		0);
	ck_assert_msg(!u.admin, "users write their own user_metadata");
	free_app(&app);
}
END_TEST

START_TEST(the_scheme_is_read_as_rfc_6750_and_9110_say)
{
	static const struct {
		const char *before, *after;
		bool ok;
	} cases[] = {{"Bearer ", "", true}, {"bearer ", "", true},
		{"BEARER ", "", true}, {"Bearer   ", "", true}, {"Bearer", "", false},
		{"", "", false}, {" Bearer ", "", false}, {"Bearer\t", "", false},
		{"Basic ", "", false}, {"Token ", "", false}, {"Bearer: ", "", false},
		{"Bearer=", "", false}, {"Bearer \"", "\"", false},
		{"Bearer ", " x", false}, {"Bearer ", ",x", false},
		{"Bearer x ", "", false}, {"Bearer Bearer ", "", false},
		{"Bearer ", "=", false}};
	char secret[] = SECRET;
	struct err e = ERR_INIT;
	struct app app;
	struct user u;

	make_app(&app, secret, NULL, NULL);
	ck_assert(auth_open(&app, &e));
	for (int i = 0; i < N(cases); i++) {
		int got = ask_with(&app, cases[i].before, mint_hs256(HS256, claims("")),
			cases[i].after, &u);

		ck_assert_msg(got == (cases[i].ok ? 0 : 401), "\"%sTOKEN%s\": %d",
			cases[i].before, cases[i].after, got);
	}
	free_app(&app);
}
END_TEST

START_TEST(who_brings_no_token_is_refused)
{
	static const char *const headers[] = {NULL, "", " ", "Bearer", "Bearer ",
		"Bearer      ", "Bearer x", "Bearer a.b.c", "Bearer ..", "Bearer null",
		"Bearer undefined", "Basic dXNlcjpwYXNz",
		"Bearer eyJhbGciOiJub25lIn0.e30."};
	char secret[] = SECRET;
	struct err e = ERR_INIT;
	struct app app;
	struct user u;

	make_app(&app, secret, NULL, NULL);
	ck_assert(auth_open(&app, &e));
	for (int i = 0; i < N(headers); i++)
		ck_assert_msg(
			ask(&app, headers[i], &u) == 401, "%d: %s", i, headers[i]);
	free_app(&app);
}
END_TEST

START_TEST(a_token_that_is_over_is_refused)
{
	char secret[] = SECRET, text[200];
	struct err e = ERR_INIT;
	struct app app;
	struct user u;

	make_app(&app, secret, NULL, NULL);
	ck_assert(auth_open(&app, &e));
	snprintf(text, sizeof(text), "{" SUB ",\"exp\":%lld}",
		(long long)time(NULL) - 600);
	ck_assert_int_eq(
		ask_with(&app, "Bearer ", mint_hs256(HS256, text), "", &u), 401);
	/* clocks differ by seconds */
	snprintf(text, sizeof(text), "{" SUB ",\"exp\":%lld}",
		(long long)time(NULL) - 1);
	ck_assert_int_eq(ask_with(&app, "Bearer ", mint_hs256(HS256, text), "", &u), 0);
	app.config.jwt_issuer = (char[]){"https://issuer.example.org"};
	ck_assert_int_eq(
		ask_with(&app, "Bearer ", mint_hs256(HS256, claims("")), "", &u), 401);
	app.config.jwt_issuer = (char[]){""};
	app.config.jwt_audience = (char[]){"wapool"};
	ck_assert_int_eq(
		ask_with(&app, "Bearer ", mint_hs256(HS256, claims("")), "", &u), 401);
	ck_assert_int_eq(
		ask_with(&app, "Bearer ",
			mint_hs256(HS256, claims(",\"aud\":\"wapool\"")), "", &u),
		0);
	free_app(&app);
}
END_TEST

/* --- opening */

START_TEST(keys_come_from_one_place)
{
	char secret[] = SECRET, url[] = "http://127.0.0.1:1/jwks",
	     file[] = "/nonexistent";
	char brief[] = "too short";
	const struct {
		char *secret, *file, *url;
		const char *word;
	} cases[] = {{NULL, NULL, NULL, "must be set"}, {secret, NULL, url, "exclude"},
		{secret, file, NULL, "exclude"}, {NULL, file, NULL, ""},
		{brief, NULL, NULL, ""}};

	for (int i = 0; i < N(cases); i++) {
		struct err e = ERR_INIT;
		struct app app;

		make_app(&app, cases[i].secret, cases[i].file, cases[i].url);
		ck_assert_msg(!auth_open(&app, &e), "case %d", i);
		ck_assert_int_eq(e.code, ERR_CONFIG);
		ck_assert_ptr_nonnull(strstr(e.text, cases[i].word));
		ck_assert_ptr_null(strstr(e.text, SECRET));
		free_app(&app);
	}
}
END_TEST

/* --- keys from a URL */

/* A fake issuer: two keys, the sets that hold one or both, and tokens
 * signed by each. */
struct issuer {
	struct fake f;
	EVP_PKEY *old, *new;
	char *sets[2]; /* old alone, both */
	struct fake_step steps[8];
	char url[100];
};

#define SET_OLD 0
#define SET_BOTH 1
#define NO_SET (-1)
#define NOT_A_SET (-2)

static void
start_issuer(struct issuer *is, const int *answers, int n)
{
	*is = (struct issuer){.old = EVP_EC_gen("P-256"), .new = EVP_EC_gen("P-256")};
	is->sets[SET_OLD] = mint_set(mint_jwk(is->old, ",\"kid\":\"old\""), NULL, NULL);
	is->sets[SET_BOTH] = mint_set(mint_jwk(is->old, ",\"kid\":\"old\""),
		mint_jwk(is->new, ",\"kid\":\"new\""), NULL);
	for (int i = 0; i < n; i++)
		is->steps[i] = answers[i] >= 0
			? (struct fake_step){FAKE_JSON, 200, is->sets[answers[i]]}
			: answers[i] == NO_SET
			? (struct fake_step){FAKE_JSON, 503, is->sets[SET_BOTH]}
			: (struct fake_step){FAKE_JSON, 200, "{\"keys\":[]}"};
	fake_start(&is->f, is->steps, n);
	snprintf(is->url, sizeof(is->url), "%s/jwks", is->f.url);
}

static void
stop_issuer(struct issuer *is)
{
	fake_stop(&is->f);
	EVP_PKEY_free(is->old);
	EVP_PKEY_free(is->new);
	free(is->sets[0]);
	free(is->sets[1]);
}

static int
ask_signed(struct app *app, EVP_PKEY *key, const char *kid)
{
	char header[64];
	struct user u;

	snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"kid\":\"%s\"}", kid);
	return ask_with(app, "Bearer ", mint_pkey(key, 32, header, claims("")), "", &u);
}

/* Makes the last fetch, and the set, that much older. */
static void
later(struct app *app, int64_t ms)
{
	atomic_fetch_sub(&app->jwks_again, ms);
	atomic_fetch_sub(&app->jwks_due, ms);
}

START_TEST(a_set_is_fetched_at_the_start)
{
	static const int answers[] = {SET_OLD};
	struct err e = ERR_INIT;
	struct issuer is;
	struct app app;

	start_issuer(&is, answers, 1);
	make_app(&app, NULL, NULL, is.url);
	ck_assert_msg(auth_open(&app, &e), "%s", e.text);
	ck_assert(fake_has(&is.f, 0, "GET /jwks HTTP/1.1"));
	ck_assert_int_eq(ask_signed(&app, is.old, "old"), 0);
	ck_assert_int_eq(ask_signed(&app, is.old, "old"), 0);
	ck_assert_int_eq(fake_count(&is.f), 1);
	free_app(&app);
	stop_issuer(&is);
}
END_TEST

START_TEST(without_a_first_set_nothing_starts)
{
	static const int answers[] = {NO_SET, NOT_A_SET};

	for (int i = 0; i < N(answers); i++) {
		struct err e = ERR_INIT;
		struct issuer is;
		struct app app;

		start_issuer(&is, &answers[i], 1);
		make_app(&app, NULL, NULL, is.url);
		ck_assert(!auth_open(&app, &e));
		ck_assert_int_ne(e.code, ERR_NONE);
		free_app(&app);
		stop_issuer(&is);
	}
}
END_TEST

START_TEST(an_unknown_key_fetches_once_in_ten_seconds)
{
	static const int answers[] = {SET_OLD, SET_OLD, SET_BOTH};
	struct err e = ERR_INIT;
	struct issuer is;
	struct app app;

	start_issuer(&is, answers, 3);
	make_app(&app, NULL, NULL, is.url);
	ck_assert(auth_open(&app, &e));
	ck_assert_int_eq(ask_signed(&app, is.new, "new"), 401);
	ck_assert_msg(fake_count(&is.f) == 1, "it was fetched just now");
	later(&app, TEN_SECONDS);
	ck_assert_int_eq(ask_signed(&app, is.new, "new"), 401);
	ck_assert_int_eq(fake_count(&is.f), 2);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(ask_signed(&app, is.new, "new"), 401);
	ck_assert_msg(
		fake_count(&is.f) == 2, "whoever asks may cause a fetch, not many");
	later(&app, TEN_SECONDS);
	ck_assert_msg(ask_signed(&app, is.new, "new") == 0, "the key is there now");
	ck_assert_int_eq(fake_count(&is.f), 3);
	ck_assert_int_eq(ask_signed(&app, is.old, "old"), 0);
	ck_assert_int_eq(fake_count(&is.f), 3);
	free_app(&app);
	stop_issuer(&is);
}
END_TEST

struct asker {
	struct app *app;
	char *token;
	int status;
};

static void *
ask_alone(void *arg)
{
	struct asker *a = arg;
	struct user u;

	a->status = ask_with(a->app, "Bearer ", a->token, "", &u);
	return NULL;
}

/* The first to name a new key has it fetched; nobody else with a token of that key is sent
 * away meanwhile. */
START_TEST(who_comes_during_a_fetch_waits_for_it)
{
	static const int answers[] = {SET_OLD, SET_BOTH};
	struct asker askers[4];
	pthread_t threads[N(askers)];
	struct err e = ERR_INIT;
	struct issuer is;
	struct app app;

	start_issuer(&is, answers, 2);
	make_app(&app, NULL, NULL, is.url);
	ck_assert(auth_open(&app, &e));
	later(&app, TEN_SECONDS);
	for (int i = 0; i < N(askers); i++) {
		askers[i] = (struct asker){.app = &app,
			.token = mint_pkey(is.new, 32,
				"{\"alg\":\"ES256\",\"kid\":\"new\"}", claims(""))};
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, ask_alone, &askers[i]), 0);
	}
	for (int i = 0; i < N(askers); i++) {
		pthread_join(threads[i], NULL);
		ck_assert_int_eq(askers[i].status, 0);
	}
	ck_assert_msg(fake_count(&is.f) == 2, "once for all");
	free_app(&app);
	stop_issuer(&is);
}
END_TEST

START_TEST(a_bad_signature_fetches_nothing)
{
	static const int answers[] = {SET_OLD};
	struct err e = ERR_INIT;
	struct issuer is;
	struct app app;

	start_issuer(&is, answers, 1);
	make_app(&app, NULL, NULL, is.url);
	ck_assert(auth_open(&app, &e));
	later(&app, A_MINUTE);
	ck_assert_int_eq(ask_signed(&app, is.new, "old"), 401);
	ck_assert_int_eq(fake_count(&is.f), 1);
	free_app(&app);
	stop_issuer(&is);
}
END_TEST

START_TEST(an_old_set_is_fetched_again)
{
	static const int answers[] = {SET_BOTH, SET_OLD};
	struct err e = ERR_INIT;
	struct issuer is;
	struct app app;

	start_issuer(&is, answers, 2);
	make_app(&app, NULL, NULL, is.url);
	ck_assert(auth_open(&app, &e));
	later(&app, TEN_MINUTES - A_MINUTE);
	ck_assert_int_eq(ask_signed(&app, is.new, "new"), 0);
	ck_assert_msg(fake_count(&is.f) == 1, "nine minutes are not old");
	later(&app, A_MINUTE);
	ck_assert_msg(
		ask_signed(&app, is.new, "new") == 401, "a key taken back is gone");
	ck_assert_int_eq(fake_count(&is.f), 2);
	free_app(&app);
	stop_issuer(&is);
}
END_TEST

START_TEST(a_set_is_kept_while_fetching_fails)
{
	static const int answers[] = {SET_OLD, NO_SET, NOT_A_SET, SET_BOTH};
	struct err e = ERR_INIT;
	struct issuer is;
	struct app app;

	start_issuer(&is, answers, 4);
	make_app(&app, NULL, NULL, is.url);
	ck_assert(auth_open(&app, &e));
	later(&app, TEN_MINUTES);
	ck_assert_int_eq(ask_signed(&app, is.old, "old"), 0);
	ck_assert_int_eq(fake_count(&is.f), 2);
	ck_assert_int_eq(ask_signed(&app, is.old, "old"), 0);
	ck_assert_msg(fake_count(&is.f) == 2, "not again at once");
	later(&app, A_MINUTE);
	ck_assert_int_eq(ask_signed(&app, is.old, "old"), 0);
	ck_assert_msg(fake_count(&is.f) == 3, "again after a minute");
	later(&app, A_MINUTE);
	ck_assert_int_eq(ask_signed(&app, is.new, "new"), 0);
	ck_assert_int_eq(fake_count(&is.f), 4);
	free_app(&app);
	stop_issuer(&is);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {a_bearer_token_says_who_asks,
		the_scheme_is_read_as_rfc_6750_and_9110_say,
		who_brings_no_token_is_refused, a_token_that_is_over_is_refused,
		keys_come_from_one_place, a_set_is_fetched_at_the_start,
		without_a_first_set_nothing_starts,
		an_unknown_key_fetches_once_in_ten_seconds,
		who_comes_during_a_fetch_waits_for_it, a_bad_signature_fetches_nothing,
		an_old_set_is_fetched_again, a_set_is_kept_while_fetching_fails, NULL};

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	json_object_seed(0);
	log_setup("auth-t", LOG_ERROR);
	return unit_main(unit_suite("auth", tests));
}
