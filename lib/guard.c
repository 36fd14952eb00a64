#include "lib/guard.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define V4_BITS 96 /* the prefix that an IPv4 address has as ::ffff:a.b.c.d */

/* IPv4 that is not public; the comment says what RFC 6890 and its updates call it. */
static const struct {
	uint32_t net;
	int bits;
} private_v4[] = {
	{0x00000000, 8},  /* 0.0.0.0/8, this network */
	{0x0a000000, 8},  /* 10.0.0.0/8, private */
	{0x64400000, 10}, /* 100.64.0.0/10, shared (carriers' NAT) */
	{0x7f000000, 8},  /* 127.0.0.0/8, loopback */
	{0xa9fe0000, 16}, /* 169.254.0.0/16, link-local, with it clouds' metadata */
	{0xac100000, 12}, /* 172.16.0.0/12, private */
	{0xc0000000, 24}, /* 192.0.0.0/24, protocol assignments */
	{0xc0000200, 24}, /* 192.0.2.0/24, documentation */
	{0xc0586300, 24}, /* 192.88.99.0/24, 6to4 relays */
	{0xc0a80000, 16}, /* 192.168.0.0/16, private */
	{0xc6120000, 15}, /* 198.18.0.0/15, benchmarks */
	{0xc6336400, 24}, /* 198.51.100.0/24, documentation */
	{0xcb007100, 24}, /* 203.0.113.0/24, documentation */
	{0xe0000000, 4},  /* 224.0.0.0/4, multicast */
	{0xf0000000, 4},  /* 240.0.0.0/4, reserved, and broadcast */
};

/* The same of 2000::/3, outside of which nothing is public. */
static const struct guard_net private_v6[] = {
	{{0x20, 0x01}, 23},             /* 2001::/23: Teredo, benchmarks, ORCHID */
	{{0x20, 0x01, 0x0d, 0xb8}, 32}, /* 2001:db8::/32, documentation */
	{{0x20, 0x02}, 16},             /* 2002::/16, 6to4 */
	{{0x3f, 0xff}, 20},             /* 3fff::/20, documentation */
};

/* Ports from 1024 that the Fetch standard's section "Port blocking" lists: what listens
 * there is not a web server. */
static const int bad_ports[] = {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
	6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* True if the first bits of both are the same. */
static bool
same_bits(const uint8_t a[16], const uint8_t b[16], int bits)
{
	int whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, (size_t)whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static bool
is_v4(const uint8_t ip[16])
{
	static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};

	return same_bits(ip, mapped, V4_BITS);
}

static bool
is_public_v4(uint32_t ip)
{
	for (size_t i = 0; i < COUNT(private_v4); i++)
		if ((ip ^ private_v4[i].net) >> (32 - private_v4[i].bits) == 0)
			return false;
	return true;
}

static bool
is_public_v6(const uint8_t ip[16])
{
	if (ip[0] >> 5 != 1) /* 2000::/3 */
		return false;
	for (size_t i = 0; i < COUNT(private_v6); i++)
		if (same_bits(ip, private_v6[i].ip, private_v6[i].bits))
			return false;
	return true;
}

static bool
is_allowed(const struct guard *g, const uint8_t ip[16])
{
	for (int i = 0; i < g->n; i++)
		if (same_bits(ip, g->allowed[i].ip, g->allowed[i].bits))
			return true;
	return false;
}

static uint32_t
word(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The IPv4 address that an IPv6 one carries to be sent on to: NAT64 (RFC 6052, 8215),
 * 6to4 (RFC 3056), Teredo (RFC 4380). False if it carries none. */
static bool
inner_v4(const uint8_t ip[16], uint32_t *v4)
{
	static const uint8_t nat64[16] = {0x00, 0x64, 0xff, 0x9b};
	static const uint8_t local_nat64[16] = {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01};
	static const uint8_t teredo[16] = {0x20, 0x01};

	if (same_bits(ip, nat64, 96) || same_bits(ip, local_nat64, 48))
		*v4 = word(ip + 12);
	else if (ip[0] == 0x20 && ip[1] == 0x02)
		*v4 = word(ip + 2);
	else if (same_bits(ip, teredo, 32))
		*v4 = ~word(ip + 12);
	else
		return false;
	return true;
}

static void
map_v4(uint32_t v4, uint8_t ip[16])
{
	memset(ip, 0, 10);
	ip[10] = ip[11] = 0xff;
	for (int i = 0; i < 4; i++)
		ip[12 + i] = (uint8_t)(v4 >> (24 - 8 * i));
}

static bool
may_reach(const struct guard *g, const uint8_t ip[16])
{
	uint8_t inner[16];
	uint32_t v4;

	if (is_v4(ip))
		return is_public_v4(word(ip + 12)) || is_allowed(g, ip);
	if (!is_public_v6(ip) && !is_allowed(g, ip))
		return false;
	if (!inner_v4(ip, &v4))
		return true;
	map_v4(v4, inner);
	return is_public_v4(v4) || is_allowed(g, inner);
}

bool
guard_address(const struct guard *g, const struct sockaddr *to)
{
	uint8_t ip[16];

	if (to->sa_family == AF_INET)
		map_v4(ntohl(((const struct sockaddr_in *)(const void *)to)
				       ->sin_addr.s_addr),
			ip);
	else if (to->sa_family == AF_INET6)
		memcpy(ip, &((const struct sockaddr_in6 *)(const void *)to)->sin6_addr,
			sizeof(ip));
	else
		return false;
	return may_reach(g, ip);
}

/* An address in its usual form, without brackets, into ip. */
static bool
parse_ip(const char *text, uint8_t ip[16])
{
	struct in_addr v4;

	if (inet_pton(AF_INET6, text, ip) == 1)
		return true;
	if (inet_pton(AF_INET, text, &v4) != 1)
		return false;
	map_v4(ntohl(v4.s_addr), ip);
	return true;
}

/* "network/bits", or an address alone. */
static bool
parse_net(char *text, struct guard_net *net)
{
	char *slash = strchr(text, '/'), *end = NULL;
	bool v6 = strchr(text, ':') != NULL;
	long bits = v6 ? 128 : 32;

	if (slash != NULL) {
		*slash = '\0';
		if (slash[1] < '0' || slash[1] > '9')
			return false;
		bits = strtol(slash + 1, &end, 10);
		if (*end != '\0' || bits > (v6 ? 128 : 32))
			return false;
	}
	if (!parse_ip(text, net->ip))
		return false;
	net->bits = (int)bits + (v6 ? 0 : V4_BITS);
	for (int i = net->bits; i < 128; i++)
		if (net->ip[i / 8] & (0x80 >> i % 8))
			return false;
	return true;
}

bool
guard_init(struct guard *g, const char *networks, struct err *e)
{
	char *copy = strdup(networks), *rest = NULL;
	bool ok = copy != NULL;

	*g = (struct guard){0};
	if (!ok)
		err_set(e, ERR_NOMEM, "out of memory");
	for (char *t = ok ? strtok_r(copy, ", \t", &rest) : NULL; ok && t != NULL;
		t = strtok_r(NULL, ", \t", &rest)) {
		ok = g->n < GUARD_NETS_MAX && parse_net(t, &g->allowed[g->n]);
		if (ok)
			g->n++;
		else
			err_set(e, ERR_CONFIG,
				"GATEWAY_ALLOW_PRIVATE: %.50s: a network as "
				"10.1.0.0/16, %d of them at the most",
				t, GUARD_NETS_MAX);
	}
	free(copy);
	return ok;
}

static bool
is_plain(const char *url)
{
	size_t n = strlen(url);

	for (size_t i = 0; i < n; i++)
		if (url[i] <= ' ' || url[i] >= 0x7f || url[i] == '\\')
			return false;
	return n <= GUARD_URL_MAX;
}

static bool
port_ok(const char *text)
{
	long port = text != NULL ? strtol(text, NULL, 10) : 0;

	if (port < 1024)
		return port == 80 || port == 443;
	for (size_t i = 0; i < COUNT(bad_ports); i++)
		if (port == bad_ports[i])
			return false;
	return true;
}

/* The host of a URL that curl took apart: it has made numbers of any spelling an
 * address in the usual one. */
static bool
host_ok(const struct guard *g, char *host)
{
	size_t n = strlen(host);
	uint8_t ip[16];

	if (*host == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		host++;
	}
	return !parse_ip(host, ip) || may_reach(g, ip);
}

/* libcurl's own parser: what it reads here is what http_call will dial. */
static bool
take_apart(CURLU *u, const char *url, char **scheme, char **host, char **port)
{
	char *fragment = NULL;
	const char *colon = strchr(url, ':');
	/* curl takes one slash and three for two, others do not */
	bool ok = colon != NULL && strncmp(colon, "://", 3) == 0 && colon[3] != '/' &&
		curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_SCHEME, scheme, 0) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_HOST, host, 0) == CURLUE_OK &&
		curl_url_get(u, CURLUPART_PORT, port, CURLU_DEFAULT_PORT) ==
			CURLUE_OK &&
		curl_url_get(u, CURLUPART_FRAGMENT, &fragment, 0) == CURLUE_NO_FRAGMENT;

	curl_free(fragment);
	return ok && (strcmp(*scheme, "http") == 0 || strcmp(*scheme, "https") == 0);
}

bool
guard_url(const struct guard *g, const char *url, struct err *e)
{
	char *scheme = NULL, *host = NULL, *port = NULL;
	CURLU *u = curl_url();
	bool ok = false;

	if (u == NULL)
		err_set(e, ERR_NOMEM, "out of memory");
	else if (!is_plain(url) || !take_apart(u, url, &scheme, &host, &port))
		err_set(e, ERR_INPUT,
			"not an http or https URL without user, password and fragment");
	else if (g != NULL && !port_ok(port))
		err_set(e, ERR_BLOCKED, "a port that is not for the web");
	else if (g != NULL && !host_ok(g, host))
		err_set(e, ERR_BLOCKED, "an address that is not public");
	else
		ok = true;
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return ok;
}

bool
guard_same_origin(const char *a, const char *b)
{
	const char *const urls[] = {a, b};
	char *parts[2][3] = {{NULL}};
	bool same = true;

	for (size_t i = 0; i < 2; i++) {
		CURLU *u = curl_url();

		same = same && u != NULL &&
			take_apart(
				u, urls[i], &parts[i][0], &parts[i][1], &parts[i][2]);
		curl_url_cleanup(u);
	}
	for (size_t part = 0; part < 3; part++) {
		same = same && strcasecmp(parts[0][part], parts[1][part]) == 0;
		curl_free(parts[0][part]);
		curl_free(parts[1][part]);
	}
	return same;
}
