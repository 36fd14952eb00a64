/*
 * webhook: deliveries of events, each on its own.
 *
 * A delivery is one POST with its own retries; nothing orders two of them. They live in
 * memory only and are lost with a simulated restart. webhook_queue() and
 * webhook_forget() are called with the gateway's lock held and never block on the
 * network.
 */
#ifndef SIM_WEBHOOK_H
#define SIM_WEBHOOK_H

#include "text.h"
#include "timer.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

struct gateway;

enum retry_policy {
	RETRY_CONSTANT,
	RETRY_LINEAR,
	RETRY_EXPONENTIAL,
};

/* Where and how a kind of gateway delivers an event. */
struct hook {
	const char *url;
	struct curl_slist *headers; /* as they are sent; borrowed */
	const char *key;            /* to sign with, or NULL */
	const char *sign_header;    /* "X-Webhook-Hmac: ", before the hex digits */
	const EVP_MD *(*digest)(void);
	int attempts; /* all tries, the first included */
	int64_t delay_ms;
	int64_t delay_max_ms; /* 0: none */
	enum retry_policy policy;
	bool (*final)(long status); /* a refusal that is not tried again; or NULL */
};

struct delivery {
	struct delivery *next; /* in a sender's queue */
	struct timer timer;    /* until the next try */
	struct gateway *gw;
	unsigned epoch; /* the gateway's webhook_epoch it belongs to */
	char *url;
	char *body;
	size_t len;
	char *key; /* NULL: unsigned, or signed already */
	struct curl_slist *headers;
	int tries;
	struct hook how; /* but for what is borrowed: url, headers, key */
};

/* Append a header to a list. */
void webhook_header(struct curl_slist **list, const char *name, const char *value);

/* Send body there. */
void webhook_queue(struct gateway *gw, const char *session, const struct hook *hook,
	const struct text *body);

/* Drop every delivery of the gateway that has not ended. */
void webhook_forget(struct gateway *gw);

/* Whether the delivery's gateway forgot it. Thread-safe. */
bool webhook_stale(const struct delivery *d);

/* Add the signature, once, before the first try. */
void webhook_sign(struct delivery *d);

/* Simulated milliseconds until the next try, after d->tries of them. */
int64_t webhook_delay(const struct delivery *d);

/* Release a delivery. */
void webhook_free(struct delivery *d);

#endif
