#include "webhook.h"

#include "fault.h"
#include "gateway.h"
#include "mem.h"
#include "sender.h"

#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

void
webhook_header(struct curl_slist **list, const char *name, const char *value)
{
	struct text line = {0};
	struct curl_slist *longer;

	text_add(&line, name);
	text_add(&line, value[0] == '\0' ? ";" : ": ");
	text_add(&line, value);
	longer = curl_slist_append(*list, line.s);
	if (longer == NULL)
		abort();
	*list = longer;
	text_free(&line);
}

static struct delivery *
make(struct gateway *gw, const struct hook *hook, const struct text *body)
{
	struct delivery *d = mem_zero(sizeof *d);
	const struct curl_slist *one;

	d->gw = gw;
	d->epoch = atomic_load(&gw->webhook_epoch);
	d->url = mem_copy(hook->url);
	d->body = mem_copy(body->s);
	d->len = body->len;
	d->key = mem_copy(hook->key);
	d->how = *hook;
	d->headers = curl_slist_append(NULL, "Expect:"); /* do not send one */
	for (one = hook->headers; one != NULL && d->headers != NULL; one = one->next)
		d->headers = curl_slist_append(d->headers, one->data);
	if (d->headers == NULL)
		abort();
	return d;
}

void
webhook_queue(struct gateway *gw, const char *session, const struct hook *hook,
	const struct text *body)
{
	int copies = 1;

	if (fault_roll(gw, FAULT_WEBHOOK_LOST, session, NULL) != NULL) {
		atomic_fetch_add(&gw->webhooks.lost, 1);
		return;
	}
	if (fault_roll(gw, FAULT_WEBHOOK_DOUBLE, session, NULL) != NULL) {
		atomic_fetch_add(&gw->webhooks.doubled, 1);
		copies = 2;
	}
	for (; copies > 0; copies--) {
		atomic_fetch_add(&gw->webhooks.queued, 1);
		sender_take(make(gw, hook, body));
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
	struct text line = {0};

	if (d->key == NULL)
		return;
	HMAC(d->how.digest(), d->key, (int)strlen(d->key),
		(const unsigned char *)d->body, d->len, mac, &len);
	text_add(&line, d->how.sign_header);
	for (i = 0; i < len; i++)
		text_addf(&line, "%02x", mac[i]);
	d->headers = curl_slist_append(d->headers, line.s);
	if (d->headers == NULL)
		abort();
	text_free(&line);
	free(d->key);
	d->key = NULL;
}

int64_t
webhook_delay(const struct delivery *d)
{
	int doublings = d->tries - 1 < 16 ? d->tries - 1 : 16;
	int64_t delay = d->how.delay_ms;

	if (d->how.policy == RETRY_LINEAR)
		delay *= d->tries;
	else if (d->how.policy == RETRY_EXPONENTIAL)
		delay <<= doublings;
	return d->how.delay_max_ms > 0 && delay > d->how.delay_max_ms
		? d->how.delay_max_ms
		: delay;
}

void
webhook_free(struct delivery *d)
{
	curl_slist_free_all(d->headers);
	free(d->url);
	free(d->body);
	free(d->key);
	free(d);
}
