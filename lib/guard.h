/*
 * guard: where a URL that a user gave may take us (against server-side request forgery).
 *
 * Two checks, both needed. guard_url looks at the text, when it is given, so that a user
 * hears at once what is wrong with it. guard_address looks at the address, when it is
 * dialled: lib/http asks it about every socket of a guarded call, so there is nothing
 * between the check and the connection that a name server could change.
 *
 * Refused are all addresses that are not public (the list of svix-webhooks,
 * src/core/webhook_http_client.rs, and the IANA special-purpose registries): of IPv4 the
 * private, loopback, link-local, shared, multicast, documentation, benchmark and reserved
 * networks; of IPv6 everything outside 2000::/3, and in it documentation, 6to4 and
 * 2001::/23 (Teredo, ORCHID). An IPv4 address inside an IPv6 one is checked as well.
 *
 * Thread-safety: a guard is read-only after guard_init.
 */
#ifndef WAPOOL_GUARD_H
#define WAPOOL_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/err.h"

#define GUARD_NETS_MAX 32

/* A network: the first `bits` bits of ip, IPv4 as ::ffff:0:0/96. */
struct guard_net {
	uint8_t ip[16];
	int bits;
};

/* What may be reached although it is not public. A zeroed one allows nothing more. */
struct guard {
	struct guard_net allowed[GUARD_NETS_MAX];
	int n;
};

/* Reads GATEWAY_ALLOW_PRIVATE: networks as "10.1.0.0/16" or "fd00:1::/64", or single
 * addresses, separated by commas or blanks; "" for none. ERR_CONFIG if one cannot be
 * read, has bits set behind its prefix, or they are too many. */
bool guard_init(struct guard *g, const char *networks, struct err *e);

/*
 * True if url is http or https, without user or password, without fragment, in visible
 * ASCII without a backslash (an international name is to be written as xn--), at most
 * GUARD_URL_MAX bytes. With a guard also: its port is 80, 443 or one from 1024 that
 * browsers call too (Fetch standard, "bad ports"), and its host, if it is an address in
 * any spelling that libcurl takes for one (octal, hexadecimal, short), may be dialled. A
 * name is not looked up. g may be NULL: the form only. ERR_INPUT for the form,
 * ERR_BLOCKED for port and address; e->text never quotes the URL.
 */
#define GUARD_URL_MAX 2048
bool guard_url(const struct guard *g, const char *url, struct err *e);

/* True if both URLs, which guard_url has accepted, lead to the same scheme, host and port.
 * False also for what is no URL, and if memory ran out. */
bool guard_same_origin(const char *a, const char *b);

/* True if that address (AF_INET or AF_INET6; any other is refused) may be dialled. */
bool guard_address(const struct guard *g, const struct sockaddr *to);

#endif
