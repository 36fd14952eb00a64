/*
 * probe: "Testar Conexão": what a gateway server is, or exactly what is wrong with it.
 *
 * It asks as every later call will: the same driver, guard, certificates and time limits.
 * Nothing is stored or changed. Thread-safety: any thread.
 */
#ifndef WAPOOL_PROBE_H
#define WAPOOL_PROBE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/clock.h"
#include "lib/gateway.h"
#include "lib/message.h"

enum probe_result {
	PROBE_OK,
	PROBE_DNS,           /* no such name */
	PROBE_REFUSED,       /* nobody listens there */
	PROBE_TLS,           /* no TLS, or a certificate we do not trust */
	PROBE_TIMEOUT,       /* no answer in time */
	PROBE_BLOCKED,       /* lib/guard: not a public address or no web port */
	PROBE_UNAUTHORIZED,  /* the key is refused */
	PROBE_NOT_A_GATEWAY, /* it answers, but not as a gateway of that kind */
	PROBE_FAILED         /* it broke off, or says itself that it cannot */
};

struct probe {
	enum probe_result result;
	char kind[16];    /* the server's, or the one that was found; "" if none fits */
	char version[33]; /* "" if it was not told */
	int sessions;     /* on it, ours and others'; -1 if not told */
	int64_t latency_ms; /* of its first answer; -1 without one */
};

/* Tests a server. kind "" tries each kind of gateway there is. Always fills *out. */
void probe_run(struct http *h, struct server *s, deadline_t d, struct probe *out);

/* {success, result, reachable, authorized, kind, version, sessions, latency_ms, message}: a new
 * reference; NULL if memory ran out. What is not known is null. */
json_t *probe_json(const struct probe *p, enum lang lang);

#endif
