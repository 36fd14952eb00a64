/* "Testar Conexão" against servers that are gateways, and that are not. */
#include "lib/probe.h"

#include <curl/curl.h>

#include "t/unit/fake-http.h"

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))
#define WAHA_STATUS "{\"startTimestamp\":1,\"uptime\":2}"
#define WAHA_VERSION "{\"version\":\"2026.2.1\",\"engine\":\"NOWEB\"}"
#define NEST_404 "{\"message\":\"Cannot GET /\",\"statusCode\":404}"
#define EVOLUTION_404                                                                  \
	"{\"status\":404,\"error\":\"Not Found\",\"response\":{\"message\":[\"Cannot " \
	"GET /api/server/status\"]}}"

/* Probes a server that answers so; "" tries every kind. */
static struct probe
probe_with(const char *kind, const struct fake_step *steps, int n, bool guarded,
	int timeout_ms)
{
	char url[64], key[] = "k", none[] = "";
	struct http *h = http_new("", "", NULL);
	struct probe out;
	struct fake f;

	fake_start(&f, steps, n);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", f.port);
	struct server s = {.url = url,
		.key = key,
		.webhook_secret = none,
		.webhook_url = none,
		.timeout_ms = timeout_ms,
		.guarded = guarded};
	snprintf(s.kind, sizeof(s.kind), "%s", kind);
	probe_run(h, &s, deadline_in(20000), &out);
	ck_assert_str_eq(s.kind, kind); /* the server is as it was */
	fake_stop(&f);
	http_free(h);
	return out;
}

static struct probe
probe_of(const char *kind, const struct fake_step *steps, int n)
{
	return probe_with(kind, steps, n, false, 10000);
}

START_TEST(a_gateway_says_what_it_is)
{
	static const struct fake_step waha[] = {{FAKE_JSON, 200, WAHA_STATUS},
		{FAKE_JSON, 200, WAHA_VERSION},
		{FAKE_JSON, 200,
			"[{\"name\":\"a\",\"status\":\"WORKING\"},{\"name\":\"b\","
			"\"status\":\"STOPPED\"}]"}};
	struct probe p = probe_of("waha", waha, N(waha));

	ck_assert_int_eq(p.result, PROBE_OK);
	ck_assert_str_eq(p.kind, "waha");
	ck_assert_str_eq(p.version, "2026.2.1");
	ck_assert_int_eq(p.sessions, 2);
	ck_assert(p.latency_ms >= 0);
}
END_TEST

START_TEST(its_kind_is_found)
{
	/* each kind is asked in turn: WAHA's path is none of Evolution's */
	static const struct fake_step evolution[] = {{FAKE_JSON, 404, EVOLUTION_404},
		{FAKE_JSON, 200,
			"{\"status\":200,\"message\":\"Credentials are valid\"}"},
		{FAKE_JSON, 200, "{\"status\":200,\"version\":\"2.3.7\"}"},
		{FAKE_JSON, 200, "[]"}};
	struct probe p = probe_of("", evolution, N(evolution));

	ck_assert_int_eq(p.result, PROBE_OK);
	ck_assert_str_eq(p.kind, "evolution");
	ck_assert_str_eq(p.version, "2.3.7");
	ck_assert_int_eq(p.sessions, 0);
}
END_TEST

START_TEST(a_refused_key_is_told_as_that)
{
	static const struct fake_step refused = {
		FAKE_JSON, 401, "{\"message\":\"Unauthorized\",\"statusCode\":401}"};
	/* taken for the version, refused for the list */
	static const struct fake_step late[] = {{FAKE_JSON, 200, WAHA_STATUS},
		{FAKE_JSON, 200, WAHA_VERSION},
		{FAKE_JSON, 403, "{\"message\":\"Forbidden\",\"statusCode\":403}"}};
	/* of all kinds, the one that knows what was asked for */
	static const struct fake_step some[] = {
		{FAKE_JSON, 401, "{\"message\":\"Unauthorized\",\"statusCode\":401}"},
		{FAKE_JSON, 404, NEST_404}, {FAKE_JSON, 404, NEST_404},
		{FAKE_JSON, 404, NEST_404}, {FAKE_JSON, 404, NEST_404}};

	ck_assert_int_eq(probe_of("waha", &refused, 1).result, PROBE_UNAUTHORIZED);
	ck_assert_int_eq(probe_of("waha", late, N(late)).result, PROBE_UNAUTHORIZED);
	ck_assert_int_eq(probe_of("", some, N(some)).result, PROBE_UNAUTHORIZED);
}
END_TEST

START_TEST(what_is_no_gateway_is_told_as_that)
{
	static const struct fake_step page = {FAKE_ANSWER, 0,
		"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: "
		"6\r\n\r\n<html>"};
	static const struct fake_step moved = {FAKE_ANSWER, 0,
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2/\r\n"
		"Content-Length: 0\r\n\r\n"};
	static const struct fake_step ssh = {FAKE_CLOSE, 0, "SSH-2.0-OpenSSH_9.2\r\n"};
	static const struct fake_step unversioned[] = {
		{FAKE_JSON, 200, WAHA_STATUS}, {FAKE_JSON, 200, "{}"}};
	struct probe p;

	ck_assert_int_eq(probe_of("waha", &page, 1).result, PROBE_NOT_A_GATEWAY);
	ck_assert_int_eq(probe_of("waha", &moved, 1).result, PROBE_NOT_A_GATEWAY);
	ck_assert_int_eq(probe_of("waha", &ssh, 1).result, PROBE_NOT_A_GATEWAY);
	p = probe_of("waha", unversioned, 2);
	ck_assert_int_eq(p.result, PROBE_NOT_A_GATEWAY);
	ck_assert(p.latency_ms >= 0); /* somebody is there */
	ck_assert_str_eq(p.kind, "");
}
END_TEST

START_TEST(what_is_wrong_on_the_way_is_told)
{
	static const struct fake_step hang = {FAKE_HANG, 0, NULL},
				      reset = {FAKE_RESET, 0, NULL},
				      busy = {FAKE_JSON, 503, "{}"};
	char url[] = "http://name.invalid", none[] = "";
	struct http *h = http_new("", "", NULL);
	struct server s = {.kind = "waha",
		.url = url,
		.key = none,
		.webhook_secret = none,
		.webhook_url = none,
		.timeout_ms = 10000};
	struct probe p;

	p = probe_with("waha", &hang, 1, false, 100);
	ck_assert_int_eq(p.result, PROBE_TIMEOUT);
	ck_assert_int_eq(p.latency_ms, -1);
	ck_assert_int_eq(probe_with("", &hang, 1, false, 100).result,
		PROBE_TIMEOUT); /* and not three times */
	ck_assert_int_eq(probe_of("waha", &reset, 1).result, PROBE_FAILED);
	ck_assert_int_eq(probe_of("waha", &busy, 1).result, PROBE_FAILED);
	ck_assert_int_eq(
		probe_with("waha", NULL, 0, true, 10000).result, PROBE_BLOCKED);
	probe_run(h, &s, deadline_in(20000), &p);
	ck_assert_int_eq(p.result, PROBE_DNS);
	snprintf(url, sizeof(url), "http://127.0.0.1:1");
	probe_run(h, &s, deadline_in(20000), &p);
	ck_assert_int_eq(p.result, PROBE_REFUSED);
	http_free(h);
}
END_TEST

START_TEST(what_is_not_known_is_null)
{
	static const enum probe_result results[] = {PROBE_OK, PROBE_DNS, PROBE_REFUSED,
		PROBE_TLS, PROBE_TIMEOUT, PROBE_BLOCKED, PROBE_UNAUTHORIZED,
		PROBE_NOT_A_GATEWAY, PROBE_FAILED};
	static const char *const words[] = {"ok", "dns", "refused", "tls", "timeout",
		"blocked", "unauthorized", "not-a-gateway", "failed"};

	for (int i = 0; i < N(results); i++) {
		const struct probe p = {
			.result = results[i], .sessions = -1, .latency_ms = -1};
		json_t *pt = probe_json(&p, LANG_PT), *en = probe_json(&p, LANG_EN);

		ck_assert_str_eq(
			json_string_value(json_object_get(pt, "result")), words[i]);
		ck_assert(json_is_true(json_object_get(pt, "success")) ==
			(results[i] == PROBE_OK));
		ck_assert(json_is_false(json_object_get(pt, "reachable")));
		ck_assert(json_is_null(json_object_get(pt, "version")));
		ck_assert(json_is_null(json_object_get(pt, "kind")));
		ck_assert(json_is_null(json_object_get(pt, "sessions")));
		ck_assert(json_is_null(json_object_get(pt, "latency_ms")));
		ck_assert(json_is_null(json_object_get(pt, "authorized")) ==
			(results[i] != PROBE_OK && results[i] != PROBE_UNAUTHORIZED));
		ck_assert(!json_equal(json_object_get(pt, "message"),
			json_object_get(en, "message")));
		json_decref(pt);
		json_decref(en);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {a_gateway_says_what_it_is, its_kind_is_found,
		a_refused_key_is_told_as_that, what_is_no_gateway_is_told_as_that,
		what_is_wrong_on_the_way_is_told, what_is_not_known_is_null, NULL};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return unit_main(unit_suite("probe", tests));
}
