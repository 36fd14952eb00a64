#include "lib/guard.h"

#include <curl/curl.h>

#include "lib/http.h"
#include "t/unit/fake-http.h"

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* Whether that address, in its usual form, may be dialled. */
static bool
dials(const struct guard *g, const char *ip)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct sockaddr_in four = {.sin_family = AF_INET};

	if (strchr(ip, ':') == NULL) {
		ck_assert_msg(inet_pton(AF_INET, ip, &four.sin_addr) == 1, "%s", ip);
		return guard_address(g, (struct sockaddr *)&four);
	}
	ck_assert_msg(inet_pton(AF_INET6, ip, &six.sin6_addr) == 1, "%s", ip);
	return guard_address(g, (struct sockaddr *)&six);
}

static const struct guard nothing_more = {.n = 0};

/* First and last of each network, and the neighbours where these are public. */
START_TEST(no_address_is_dialled_that_is_not_public)
{
	static const char *const refused[] = {"0.0.0.0", "0.255.255.255", "10.0.0.0",
		"10.255.255.255", "100.64.0.0", "100.127.255.255", "127.0.0.0",
		"127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.169.254",
		"169.254.255.255", "172.16.0.0", "172.31.255.255", "192.0.0.0",
		"192.0.0.170", "192.0.0.255", "192.0.2.0", "192.0.2.255", "192.88.99.0",
		"192.88.99.255", "192.168.0.0", "192.168.255.255", "198.18.0.0",
		"198.19.255.255", "198.51.100.0", "198.51.100.255", "203.0.113.0",
		"203.0.113.255", "224.0.0.0", "239.255.255.255", "240.0.0.0",
		"255.255.255.254", "255.255.255.255",
		/* IPv6 */
		"::", "::1", "::2", "1fff:ffff::1", "4000::1", "fe80::1",
		"febf:ffff::1", "fec0::1", "fc00::1", "fd00:ec2::254", "fdff::1",
		"ff00::", "ff02::1", "2001:db8::", "2001:db8:ffff::1",
		"3fff::", "3fff:fff::1", "100::", "100::ffff", "100:0:0:1::", "5f00::1",
		"2001::", "2001:1ff:ffff::1", "2001:2::1", "2001:10::1", "2001:20::1",
		/* IPv4 in IPv6: mapped, compatible, 6to4, NAT64, Teredo */
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
		"::ffff:0.0.0.0", "::127.0.0.1", "::8.8.8.8", "::ffff:0:8.8.8.8",
		"2002:7f00:1::", "2002:a00:1::1",
		"2002:808:808::", "64:ff9b::127.0.0.1", "64:ff9b::8.8.8.8",
		"64:ff9b:1::10.0.0.1", "64:ff9b:1:ffff::", "2001::f5ff:fffe",
		"2001:0:4136:e378::80ff:fffe"};
	static const char *const dialled[] = {"1.0.0.0", "8.8.8.8", "9.255.255.255",
		"11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
		"128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255",
		"172.32.0.0", "192.0.1.0", "192.0.3.0", "192.88.98.255", "192.88.100.0",
		"192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
		"198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0",
		"223.255.255.255", "::ffff:8.8.8.8", "2000::1", "2001:200::1",
		"2001:db7:ffff::1", "2001:db9::", "2001:4860:4860::8888", "2003::1",
		"2606:4700::1111", "3ffe::1", "3fff:1000::1"};

	for (int i = 0; i < N(refused); i++)
		ck_assert_msg(!dials(&nothing_more, refused[i]), "%s", refused[i]);
	for (int i = 0; i < N(dialled); i++)
		ck_assert_msg(dials(&nothing_more, dialled[i]), "%s", dialled[i]);
}
END_TEST

START_TEST(only_internet_addresses_are_dialled)
{
	const struct sockaddr local = {.sa_family = AF_UNIX},
			      none = {.sa_family = AF_UNSPEC};

	ck_assert(!guard_address(&nothing_more, &local));
	ck_assert(!guard_address(&nothing_more, &none));
}
END_TEST

START_TEST(the_operator_opens_networks)
{
	struct guard g;
	struct err e = ERR_INIT;

	ck_assert_msg(
		guard_init(&g, "10.1.0.0/16, fd00:1::/64 127.0.0.1,64:ff9b::/96", &e),
		"%s", e.text);
	ck_assert_int_eq(g.n, 4);
	ck_assert(dials(&g, "10.1.0.0"));
	ck_assert(dials(&g, "10.1.255.255"));
	ck_assert(dials(&g, "::ffff:10.1.2.3"));
	ck_assert(!dials(&g, "10.0.255.255"));
	ck_assert(!dials(&g, "10.2.0.0"));
	ck_assert(dials(&g, "fd00:1::ffff"));
	ck_assert(!dials(&g, "fd00:1:0:1::"));
	ck_assert(dials(&g, "127.0.0.1"));
	ck_assert(!dials(&g, "127.0.0.2"));
	/* the way is open; what it leads to is judged by itself */
	ck_assert(dials(&g, "64:ff9b::8.8.8.8"));
	ck_assert(dials(&g, "64:ff9b::10.1.0.9"));
	ck_assert(!dials(&g, "64:ff9b::10.2.0.9"));
	ck_assert(!dials(&g, "64:ff9b::169.254.169.254"));
}
END_TEST

START_TEST(a_network_that_cannot_be_read_stops_the_program)
{
	static const char *const bad[] = {"10.1.0.0/33", "10.1.0.1/16", "10.1/16",
		"fd00::/129", "fd00::1/64", "10.0.0.0/", "10.0.0.0/ 8", "10.0.0.0/-8",
		"10.0.0.0/8x", "/8", "localhost", "0x7f.0.0.1", "true", "*", "[::1]"};
	char many[GUARD_NETS_MAX * 9 + 10] = "";
	struct guard g;

	for (int i = 0; i < N(bad); i++) {
		struct err e = ERR_INIT;

		ck_assert_msg(!guard_init(&g, bad[i], &e), "%s", bad[i]);
		ck_assert_int_eq(e.code, ERR_CONFIG);
		ck_assert_ptr_nonnull(strstr(e.text, "GATEWAY_ALLOW_PRIVATE"));
	}
	for (int i = 0; i <= GUARD_NETS_MAX; i++)
		strcat(many, "10.0.0.1,");
	ck_assert(!guard_init(&g, many, NULL));
	ck_assert(guard_init(&g, "", NULL));
	ck_assert(guard_init(&g, " , ", NULL));
	ck_assert_int_eq(g.n, 0);
}
END_TEST

static void
check_url(const struct guard *g, const char *url, enum err_code want)
{
	struct err e = ERR_INIT;

	ck_assert_msg(guard_url(g, url, &e) == (want == ERR_NONE) && e.code == want,
		"%s: %s: %s", url, err_name(e.code), e.text);
	ck_assert_msg(strstr(e.text, "CANARY") == NULL, "quotes the URL");
}

START_TEST(urls_of_gateways_pass)
{
	static const char *const good[] = {"http://waha.example",
		"https://waha.example/", "https://waha.example:3000",
		"https://waha.example./x", "http://8.8.8.8:8080/base/path?a=b",
		"https://[2606:4700::1111]:8443/x", "https://xn--caf-dma.example",
		"http://waha.example:80", "http://waha.example:443",
		"http://waha.example:65535", "HTTPS://WAHA.EXAMPLE/%41",
		"http://sub_domain.waha.example"};

	for (int i = 0; i < N(good); i++)
		check_url(&nothing_more, good[i], ERR_NONE);
}
END_TEST

START_TEST(odd_forms_are_refused)
{
	static const char *const bad[] = {"", "waha.example/CANARY", "//waha.example/",
		"ftp://waha.example", "file:///etc/passwd", "gopher://waha.example/",
		"dict://waha.example/", "ldap://waha.example", "javascript:alert(1)",
		"unix:///run/x", "http:", "http://", "http:///x", "http:/waha.example",
		"http:waha.example", "http://user@waha.example",
		"http://user:CANARY@waha.example", "http://@waha.example",
		"http://:@waha.example", "http://8.8.8.8@127.0.0.1/",
		"http://a#@127.0.0.1/", "http://waha.example#f",
		"http://waha.example\\@127.0.0.1/", "http:\\\\127.0.0.1",
		"http://waha.example/\\", " http://waha.example",
		"http://waha.example ", "http://wa ha.example",
		"http://waha.example/a b", "http://waha.example\t",
		"http://waha\n.example", "http://waha.example/\r\nX: y",
		"http://waha.example/\x01", "http://caf\xc3\xa9.example",
		"http://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1",
		"http://127\xe3\x80\x82"
		"0\xe3\x80\x82"
		"0\xe3\x80\x82"
		"1",
		"http://waha.example:99999", "http://waha.example:-1",
		"http://waha.example:x", "http://waha.example:80:90", "http://[::1",
		"http://[waha.example]", "http://waha.example,127.0.0.1@x"};
	char longest[GUARD_URL_MAX + 2] = "http://waha.example/";

	for (int i = 0; i < N(bad); i++)
		check_url(NULL, bad[i], ERR_INPUT);
	memset(longest + strlen(longest), 'a', sizeof(longest) - 1 - strlen(longest));
	check_url(NULL, longest, ERR_INPUT);
	longest[GUARD_URL_MAX] = '\0';
	check_url(NULL, longest, ERR_NONE);
}
END_TEST

START_TEST(an_address_is_refused_however_it_is_spelt)
{
	static const char *const bad[] = {"http://127.0.0.1", "http://127.0.0.1:3000/x",
		"http://0177.0.0.1", "http://0177.0000.0000.0001", "http://0x7f.0.0.1",
		"http://0x7f000001", "http://0X7F.1", "http://2130706433",
		"http://017700000001", "http://127.1", "http://127.0.1", "http://0",
		"http://0x0", "http://0.0.0.0", "http://10.0.0.1", "http://0x0a000001",
		"http://169.254.169.254/latest/meta-data/", "http://0xa9fea9fe",
		"http://2852039166", "http://0251.0376.0251.0376", "http://[::1]",
		"http://[::]", "http://[0:0:0:0:0:0:0:1]", "http://[::ffff:127.0.0.1]",
		"http://[::ffff:7f00:1]", "http://[::ffff:a9fe:a9fe]:80",
		"http://[fe80::1]", "http://[fe80::1%25eth0]", "http://[fd00:ec2::254]",
		"http://[64:ff9b::7f00:1]", "http://[2002:7f00:1::]",
		"http://%31%32%37.0.0.1"};

	for (int i = 0; i < N(bad); i++) {
		check_url(&nothing_more, bad[i], ERR_BLOCKED);
		check_url(NULL, bad[i], ERR_NONE);
	}
}
END_TEST

START_TEST(ports_that_are_no_web_servers_are_refused)
{
	static const int bad[] = {1, 21, 22, 25, 53, 79, 81, 110, 389, 442, 444, 445,
		1023, 2049, 5060, 6000, 6666, 10080};
	static const int good[] = {80, 443, 1024, 3000, 8080, 8443, 6001, 65535};
	char url[64];

	for (int i = 0; i < N(bad); i++) {
		snprintf(url, sizeof(url), "http://waha.example:%d/", bad[i]);
		check_url(&nothing_more, url, ERR_BLOCKED);
		check_url(NULL, url, ERR_NONE);
	}
	for (int i = 0; i < N(good); i++) {
		snprintf(url, sizeof(url), "http://waha.example:%d/", good[i]);
		check_url(&nothing_more, url, ERR_NONE);
	}
	check_url(&nothing_more, "http://waha.example:0/", ERR_BLOCKED);
}
END_TEST

/* --- at the moment of dialling */

static struct http *
new_http(const char *allow)
{
	struct err e = ERR_INIT;
	struct http *h = http_new("", allow, &e);

	ck_assert_msg(h != NULL, "%s", e.text);
	return h;
}

/* One GET; the error's code, or ERR_NONE and the answer's status in *status. */
static enum err_code
get(struct http *h, bool guarded, const char *host, int port, int *status)
{
	char url[128];
	struct http_request rq = {.method = "GET", .url = url, .guarded = guarded};
	struct err e = ERR_INIT;
	struct http_answer a;

	snprintf(url, sizeof(url), "http://%s:%d/", host, port);
	http_call(h, &rq, deadline_in(5000), &a, &e);
	*status = a.status;
	http_answer_free(&a);
	return e.code;
}

START_TEST(a_name_is_judged_by_the_address_it_has_when_it_is_dialled)
{
	/* passes guard_url; then its name server says another thing (rebinding) */
	static const char *const answers[] = {"127.0.0.1", "[::1]", "169.254.169.254",
		"127.0.0.1,10.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0"};
	struct fake f;
	int status;

	fake_start(&f, NULL, 0);
	for (int i = 0; i < N(answers); i++) {
		struct http *h = new_http("");
		char entry[128], url[64];

		snprintf(url, sizeof(url), "http://rebind.example:%d/", f.port);
		check_url(&nothing_more, url, ERR_NONE);
		snprintf(entry, sizeof(entry), "rebind.example:%d:%s", f.port,
			answers[i]);
		ck_assert(http_resolve(h, entry));
		ck_assert_int_eq(
			get(h, true, "rebind.example", f.port, &status), ERR_BLOCKED);
		http_free(h);
	}
	ck_assert_msg(fake_count(&f) == 0, "somebody was called");
	fake_stop(&f);
}
END_TEST

START_TEST(names_of_this_machine_are_not_dialled)
{
	static const char *const names[] = {"localhost", "LOCALHOST", "localhost.",
		"x.localhost", "127.0.0.1", "0x7f.1", "2130706433", "[::1]",
		"127.0.0.1.", "0177.1.", "2130706433.", "0x7f000001."};
	struct http *h = new_http("");
	struct fake f;
	int status;

	fake_start(&f, NULL, 0);
	for (int i = 0; i < N(names); i++) {
		enum err_code code = get(h, true, names[i], f.port, &status);

		/* not every resolver knows names under localhost */
		ck_assert_msg(code == ERR_BLOCKED || code == ERR_UNAVAILABLE, "%s: %s",
			names[i], err_name(code));
	}
	ck_assert_int_eq(get(h, true, "localhost", f.port, &status), ERR_BLOCKED);
	ck_assert_int_eq(fake_count(&f), 0);
	fake_stop(&f);
	http_free(h);
}
END_TEST

START_TEST(a_kept_connection_is_not_a_way_around)
{
	static const struct fake_step ok = {FAKE_JSON, 200, "{}"};
	struct http *h = new_http("");
	struct fake f;
	int status;

	fake_start(&f, &ok, 1);
	ck_assert_int_eq(get(h, false, "127.0.0.1", f.port, &status), ERR_NONE);
	ck_assert_int_eq(status, 200);
	ck_assert_int_eq(get(h, true, "127.0.0.1", f.port, &status), ERR_BLOCKED);
	ck_assert_int_eq(get(h, true, "localhost", f.port, &status), ERR_BLOCKED);
	ck_assert_int_eq(fake_count(&f), 1);
	fake_stop(&f);
	http_free(h);
}
END_TEST

START_TEST(an_opened_network_is_dialled_and_redirects_are_not_followed)
{
	static const struct fake_step moved = {FAKE_ANSWER, 0,
		"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2/\r\n"
		"Content-Length: 0\r\n\r\n"};
	struct http *h = new_http("127.0.0.1");
	char entry[64];
	struct fake f;
	int status;

	fake_start(&f, &moved, 1);
	snprintf(entry, sizeof(entry), "both.example:%d:127.0.0.2,127.0.0.1", f.port);
	ck_assert(http_resolve(h, entry));
	ck_assert_int_eq(get(h, true, "both.example", f.port, &status), ERR_NONE);
	ck_assert_int_eq(status, 302);
	ck_assert_int_eq(fake_count(&f), 1);
	fake_stop(&f);
	http_free(h);
}
END_TEST

START_TEST(what_failed_on_the_way_is_told)
{
	struct http *h = new_http("");
	struct http_request rq = {.method = "GET"};
	struct err e = ERR_INIT;
	struct http_answer a;
	char url[64];
	int port, fd = fake_bind(&port);

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
	rq.url = url;
	ck_assert(!http_call(h, &rq, deadline_in(5000), &a, &e));
	ck_assert_str_eq(e.cause, "connect");
	close(fd);
	http_answer_free(&a);
	err_clear(&e);
	rq.url = "http://name.invalid/";
	ck_assert(!http_call(h, &rq, deadline_in(5000), &a, &e));
	ck_assert_int_eq(e.code, ERR_UNAVAILABLE);
	ck_assert_str_eq(e.cause, "name");
	http_answer_free(&a);
	http_free(h);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {no_address_is_dialled_that_is_not_public,
		only_internet_addresses_are_dialled, the_operator_opens_networks,
		a_network_that_cannot_be_read_stops_the_program, urls_of_gateways_pass,
		odd_forms_are_refused, an_address_is_refused_however_it_is_spelt,
		ports_that_are_no_web_servers_are_refused,
		a_name_is_judged_by_the_address_it_has_when_it_is_dialled,
		names_of_this_machine_are_not_dialled,
		a_kept_connection_is_not_a_way_around,
		an_opened_network_is_dialled_and_redirects_are_not_followed,
		what_failed_on_the_way_is_told, NULL};

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	return unit_main(unit_suite("guard", tests));
}
