#include "webhook.h"

#include "fault.h"
#include "gateway.h"
#include "ids.h"
#include "mem.h"
#include "sender.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_ATTEMPTS 15
#define DEFAULT_DELAY_S 2

static void
add_header(struct delivery *d, const char *name, const char *value)
{
	struct text line = {0};
	struct curl_slist *list;

	text_add(&line, name);
	text_add(&line, value[0] == '\0' ? ";" : ": ");
	text_add(&line, value);
	list = curl_slist_append(d->headers, line.s);
	if (list == NULL)
		abort();
	d->headers = list;
	text_free(&line);
}

static void
add_custom_headers(struct delivery *d, const json_t *hook)
{
	const json_t *one;
	const char *name, *value;
	size_t i;

	json_array_foreach(json_object_get(hook, "customHeaders"), i, one)
	{
		name = json_string_value(json_object_get(one, "name"));
		value = json_string_value(json_object_get(one, "value"));
		if (name != NULL && value != NULL && strpbrk(name, "\r\n:") == NULL &&
			strpbrk(value, "\r\n") == NULL)
			add_header(d, name, value);
	}
}

/* A number from 0 to max, or what it is by default. */
static double
number(const json_t *given, double by_default, double max)
{
	double value = json_is_number(given) ? json_number_value(given) : by_default;

	return value < 0 ? 0 : value > max ? max : value;
}

static void
take_retries(struct delivery *d, const json_t *retries)
{
	const json_t *attempts = json_object_get(retries, "attempts");
	const json_t *delay = json_object_get(retries, "delaySeconds");
	const char *policy = json_string_value(json_object_get(retries, "policy"));

	d->attempts = (int)number(attempts, DEFAULT_ATTEMPTS, 1000);
	d->delay_ms = (int64_t)(number(delay, DEFAULT_DELAY_S, 86400) * 1000);
	d->policy = RETRY_CONSTANT;
	if (policy != NULL && strcmp(policy, "linear") == 0)
		d->policy = RETRY_LINEAR;
	else if (policy != NULL && strcmp(policy, "exponential") == 0)
		d->policy = RETRY_EXPONENTIAL;
}

static struct delivery *
make(struct gateway *gw, const json_t *hook, const struct text *body, int64_t at,
	const char *request_id)
{
	const json_t *hmac = json_object_get(hook, "hmac");
	struct delivery *d = mem_zero(sizeof *d);
	char stamp[24];

	d->gw = gw;
	d->epoch = atomic_load(&gw->webhook_epoch);
	d->url = mem_copy(json_string_value(json_object_get(hook, "url")));
	d->body = mem_copy(body->s);
	d->len = body->len;
	d->hmac_key = mem_copy(json_string_value(json_object_get(hmac, "key")));
	take_retries(d, json_object_get(hook, "retries"));
	snprintf(stamp, sizeof stamp, "%lld", (long long)at);
	d->headers = curl_slist_append(NULL, "Expect:"); /* do not send one */
	add_header(d, "Accept", "application/json, text/plain, */*");
	add_header(d, "Content-Type", "application/json");
	add_header(d, "Accept-Encoding", "gzip, compress, deflate, br");
	add_header(d, "User-Agent", "WAHA/" GATEWAY_VERSION);
	add_custom_headers(d, hook);
	add_header(d, "X-Webhook-Request-Id", request_id);
	add_header(d, "X-Webhook-Timestamp", stamp);
	return d;
}

void
webhook_queue(struct gateway *gw, const char *session, const json_t *hook,
	const struct text *body, int64_t at)
{
	char request_id[IDS_REQUEST_SIZE];
	int copies = 1;

	if (fault_roll(gw, FAULT_WEBHOOK_LOST, session, NULL) != NULL) {
		atomic_fetch_add(&gw->webhooks.lost, 1);
		return;
	}
	if (fault_roll(gw, FAULT_WEBHOOK_DOUBLE, session, NULL) != NULL) {
		atomic_fetch_add(&gw->webhooks.doubled, 1);
		copies = 2;
	}
	ids_request(request_id);
	for (; copies > 0; copies--) {
		atomic_fetch_add(&gw->webhooks.queued, 1);
		sender_take(make(gw, hook, body, at, request_id));
	}
}

void
webhook_forget(struct gateway *gw)
{
	atomic_fetch_add(&gw->webhook_epoch, 1);
	senders_sweep();
}

bool
webhook_stale(const struct delivery *d)
{
	return d->epoch != atomic_load(&d->gw->webhook_epoch);
}

void
webhook_sign(struct delivery *d)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len = 0, i;
	struct text hex = {0};

	if (d->hmac_key == NULL)
		return;
	HMAC(EVP_sha512(), d->hmac_key, (int)strlen(d->hmac_key),
		(const unsigned char *)d->body, d->len, mac, &len);
	for (i = 0; i < len; i++)
		text_addf(&hex, "%02x", mac[i]);
	add_header(d, "X-Webhook-Hmac", hex.s);
	add_header(d, "X-Webhook-Hmac-Algorithm", "sha512");
	text_free(&hex);
	free(d->hmac_key);
	d->hmac_key = NULL;
}

int64_t
webhook_delay(const struct delivery *d)
{
	int doublings = d->tries - 1 < 16 ? d->tries - 1 : 16;

	if (d->policy == RETRY_LINEAR)
		return d->delay_ms * d->tries;
	if (d->policy == RETRY_EXPONENTIAL)
		return d->delay_ms << doublings;
	return d->delay_ms;
}

void
webhook_free(struct delivery *d)
{
	curl_slist_free_all(d->headers);
	free(d->url);
	free(d->body);
	free(d->hmac_key);
	free(d);
}
