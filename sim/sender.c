#include "sender.h"

#include "clock.h"
#include "gateway.h"
#include "mem.h"
#include "webhook.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define SENDERS 2
#define IN_FLIGHT_MAX 256 /* concurrent POSTs of one sender */
#define TIMEOUT_MS 60000L /* real: the real one never gives up waiting */
#define CONNECT_TIMEOUT_MS 10000L
#define IDLE_MS 1000

struct sender {
	pthread_t thread;
	pthread_mutex_t lock; /* of the queue */
	struct delivery *first;
	struct delivery *last;
	atomic_bool sweep;
	atomic_bool ending;
	/* the thread's own */
	CURLM *multi;
	CURL *idle[IN_FLIGHT_MAX];
	CURL *busy[IN_FLIGHT_MAX];
	int idle_count;
	int in_flight;
	struct timers retries;
};

static struct sender senders[SENDERS];
static atomic_uint turn;
static atomic_bool started;

/* A delivery ended: count it and release it. */
static void
finish(struct delivery *d, atomic_ullong *counter)
{
	atomic_fetch_add(counter, 1);
	webhook_free(d);
}

static size_t
discard(char *data, size_t size, size_t n, void *arg)
{
	(void)data;
	(void)arg;
	return size * n;
}

/* A handle with all that never changes set. */
static CURL *
new_handle(void)
{
	CURL *easy = curl_easy_init();

	if (easy == NULL)
		abort();
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
	return easy;
}

/* Begin one try. */
static void
post(struct sender *s, struct delivery *d)
{
	CURL *easy;

	if (webhook_stale(d)) {
		finish(d, &d->gw->webhooks.dropped);
		return;
	}
	webhook_sign(d);
	d->tries++;
	easy = s->idle_count > 0 ? s->idle[--s->idle_count] : new_handle();
	curl_easy_setopt(easy, CURLOPT_URL, d->url);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, d->body);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)d->len);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, d->headers);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, d);
	s->busy[s->in_flight++] = easy;
	curl_multi_add_handle(s->multi, easy);
}

/* Take a handle back; its delivery is the caller's. */
static struct delivery *
reclaim(struct sender *s, CURL *easy)
{
	struct delivery *d = NULL;
	int i;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&d);
	curl_multi_remove_handle(s->multi, easy);
	for (i = 0; s->busy[i] != easy; i++)
		;
	s->busy[i] = s->busy[--s->in_flight];
	s->idle[s->idle_count++] = easy;
	return d;
}

/* One try ended: done, again later, or never. */
static void
judge(struct sender *s, CURL *easy, CURLcode result)
{
	struct delivery *d;
	curl_off_t wait_s = 0;
	int64_t delay;
	long code = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &code);
	curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &wait_s);
	d = reclaim(s, easy);
	if (result == CURLE_OK && code >= 200 && code < 300) {
		finish(d, &d->gw->webhooks.sent);
	} else if (webhook_stale(d)) {
		finish(d, &d->gw->webhooks.dropped);
	} else if (d->tries >= d->how.attempts ||
		(result == CURLE_OK && d->how.final != NULL && d->how.final(code))) {
		finish(d, &d->gw->webhooks.failed);
	} else {
		delay = webhook_delay(d);
		if (wait_s * 1000 > delay)
			delay = wait_s * 1000;
		atomic_fetch_add(&d->gw->webhooks.retried, 1);
		timer_set(&s->retries, &d->timer, clock_in(delay));
	}
}

/* Drop the stale ones that wait for a retry. */
static void
sweep(struct sender *s)
{
	struct delivery *d;
	size_t i, found;

	do {
		for (i = found = 0; i < s->retries.count; i++) {
			d = TIMER_OWNER(s->retries.heap[i], struct delivery, timer);
			if (!webhook_stale(d))
				continue;
			timer_cancel(&s->retries, &d->timer);
			finish(d, &d->gw->webhooks.dropped);
			found++;
		}
	} while (found > 0);
}

/* The next delivery handed over, or NULL. */
static struct delivery *
next_queued(struct sender *s)
{
	struct delivery *d;

	pthread_mutex_lock(&s->lock);
	d = s->first;
	if (d != NULL)
		s->first = d->next;
	pthread_mutex_unlock(&s->lock);
	return d;
}

/* Start as many tries as fit: the retries that are due, then the new ones. */
static void
fill(struct sender *s)
{
	struct timer *t;
	struct delivery *d;

	while (s->in_flight < IN_FLIGHT_MAX &&
		(t = timers_pop(&s->retries, clock_us())) != NULL)
		post(s, TIMER_OWNER(t, struct delivery, timer));
	while (s->in_flight < IN_FLIGHT_MAX && (d = next_queued(s)) != NULL)
		post(s, d);
}

/* How long the thread may sleep. */
static int
idle_ms(const struct sender *s)
{
	int64_t left = timers_next(&s->retries);

	if (left == INT64_MAX || s->in_flight == IN_FLIGHT_MAX)
		return IDLE_MS;
	left = (left - clock_us()) / 1000 + 1;
	return left < 0 ? 0 : left > IDLE_MS ? IDLE_MS : (int)left;
}

static void *
run(void *arg)
{
	struct sender *s = arg;
	CURLMsg *m;
	int running, left;

	while (!atomic_load(&s->ending)) {
		if (atomic_exchange(&s->sweep, false))
			sweep(s);
		fill(s);
		curl_multi_perform(s->multi, &running);
		left = s->in_flight;
		while ((m = curl_multi_info_read(s->multi, &running)) != NULL)
			if (m->msg == CURLMSG_DONE)
				judge(s, m->easy_handle, m->data.result);
		if (s->in_flight == left)
			curl_multi_poll(s->multi, NULL, 0, idle_ms(s), NULL);
	}
	return NULL;
}

bool
senders_start(void)
{
	int i;

	for (i = 0; i < SENDERS; i++) {
		senders[i].multi = curl_multi_init();
		pthread_mutex_init(&senders[i].lock, NULL);
		curl_multi_setopt(
			senders[i].multi, CURLMOPT_MAXCONNECTS, (long)IN_FLIGHT_MAX);
		if (senders[i].multi == NULL ||
			pthread_create(&senders[i].thread, NULL, run, &senders[i]) != 0)
			return false;
	}
	atomic_store(&started, true);
	return true;
}

void
sender_take(struct delivery *d)
{
	struct sender *s = &senders[atomic_fetch_add(&turn, 1) % SENDERS];
	bool was_empty;

	if (!atomic_load(&started)) {
		webhook_free(d);
		return;
	}
	d->next = NULL;
	pthread_mutex_lock(&s->lock);
	was_empty = s->first == NULL;
	if (was_empty)
		s->first = d;
	else
		s->last->next = d;
	s->last = d;
	pthread_mutex_unlock(&s->lock);
	if (was_empty)
		curl_multi_wakeup(s->multi);
}

void
senders_sweep(void)
{
	int i;

	for (i = 0; i < SENDERS && atomic_load(&started); i++) {
		atomic_store(&senders[i].sweep, true);
		curl_multi_wakeup(senders[i].multi);
	}
}

/* Release all a sender holds, after its thread ended. */
static void
release(struct sender *s)
{
	struct delivery *d;
	struct timer *t;

	while (s->in_flight > 0)
		webhook_free(reclaim(s, s->busy[0]));
	while ((t = timers_pop(&s->retries, INT64_MAX - 1)) != NULL)
		webhook_free(TIMER_OWNER(t, struct delivery, timer));
	while ((d = next_queued(s)) != NULL)
		webhook_free(d);
	while (s->idle_count > 0)
		curl_easy_cleanup(s->idle[--s->idle_count]);
	curl_multi_cleanup(s->multi);
	timers_free(&s->retries);
	pthread_mutex_destroy(&s->lock);
}

void
senders_stop(void)
{
	int i;

	if (!atomic_exchange(&started, false))
		return;
	for (i = 0; i < SENDERS; i++) {
		atomic_store(&senders[i].ending, true);
		curl_multi_wakeup(senders[i].multi);
		pthread_join(senders[i].thread, NULL);
		release(&senders[i]);
	}
}
