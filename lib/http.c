#include "lib/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/spent.h"

#define MAX_ANSWER (1u << 20)
#define CONNECT_MS 5000
#define IDLE_HANDLES 64 /* handles kept with their connections */

/* Handles of one sort and with them their open connections; under the lock. */
struct shelf {
	CURL *idle[IDLE_HANDLES];
	int n;
};

struct http {
	pthread_mutex_t lock;
	struct shelf free, guarded;
	char *ca_file;
	struct guard guard;
	struct curl_slist *names; /* of http_resolve */
};

/* What one guarded call found at its doors. */
struct dial {
	const struct guard *guard;
	bool blocked;
};

struct http *
http_new(const char *ca_file, const char *allow, struct err *e)
{
	struct http *h = calloc(1, sizeof(*h));

	if (h == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&h->lock, NULL);
	h->ca_file = strdup(ca_file);
	if (h->ca_file == NULL)
		err_set(e, ERR_NOMEM, "out of memory");
	else if (guard_init(&h->guard, allow, e))
		return h;
	http_free(h);
	return NULL;
}

static void
clear(struct shelf *s)
{
	while (s->n > 0)
		curl_easy_cleanup(s->idle[--s->n]);
}

void
http_free(struct http *h)
{
	if (h == NULL)
		return;
	clear(&h->free);
	clear(&h->guarded);
	curl_slist_free_all(h->names);
	pthread_mutex_destroy(&h->lock);
	free(h->ca_file);
	free(h);
}

const struct guard *
http_guard(const struct http *h)
{
	return &h->guard;
}

bool
http_resolve(struct http *h, const char *entry)
{
	struct curl_slist *more = curl_slist_append(h->names, entry);

	if (more != NULL)
		h->names = more;
	return more != NULL;
}

/* The connections of a handle outlive the call: those that an unguarded call opened
 * must not carry a guarded one. */
static struct shelf *
shelf_of(struct http *h, const struct http_request *rq)
{
	return rq->guarded ? &h->guarded : &h->free;
}

static CURL *
borrow(struct http *h, struct shelf *s)
{
	CURL *c = NULL;

	pthread_mutex_lock(&h->lock);
	if (s->n > 0)
		c = s->idle[--s->n];
	pthread_mutex_unlock(&h->lock);
	return c != NULL ? c : curl_easy_init();
}

static void
give_back(struct http *h, struct shelf *s, CURL *c)
{
	curl_easy_reset(c); /* forgets the options, keeps the connections */
	pthread_mutex_lock(&h->lock);
	if (s->n < IDLE_HANDLES) {
		s->idle[s->n++] = c;
		c = NULL;
	}
	pthread_mutex_unlock(&h->lock);
	curl_easy_cleanup(c);
}

/* curl asks for a socket to an address it has resolved: the last moment to say no. */
static curl_socket_t
open_guarded(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct dial *dial = ctx;

	(void)purpose;
	if (!guard_address(dial->guard, &to->addr)) {
		dial->blocked = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static size_t
take_bytes(char *p, size_t size, size_t n, void *to)
{
	return buf_add(to, p, size * n) ? size * n : 0;
}

/* False if a value (a key, say) would end its header and begin another. */
static bool
headers_ok(const struct http_request *rq)
{
	for (size_t i = 0; rq->headers != NULL && rq->headers[i] != NULL; i++)
		if (strpbrk(rq->headers[i], "\r\n") != NULL)
			return false;
	return true;
}

static struct curl_slist *
header_list(const struct http_request *rq)
{
	/* no "Expect: 100-continue": it costs a round trip, and some servers
	 * stall on it */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:"), *more;

	for (size_t i = 0;
		list != NULL && rq->headers != NULL && rq->headers[i] != NULL; i++) {
		more = curl_slist_append(list, rq->headers[i]);
		if (more == NULL) {
			curl_slist_free_all(list);
			return NULL;
		}
		list = more;
	}
	return list;
}

static void
set_options(struct http *h, CURL *c, const struct http_request *rq, int left_ms,
	struct curl_slist *headers, struct buf *body, struct dial *dial)
{
	curl_easy_setopt(c, CURLOPT_URL, rq->url);
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, rq->method);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "wapool");
	if (rq->body != NULL) {
		curl_easy_setopt(
			c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body_len);
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, rq->body);
	}
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_bytes);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, body);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)left_ms);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS,
		(long)(left_ms < CONNECT_MS ? left_ms : CONNECT_MS));
	/* else it would wait for the thread that looks a name up, deadline or not */
	curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, rq->once ? 1L : 0L);
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	if (*h->ca_file != '\0')
		curl_easy_setopt(c, CURLOPT_CAINFO, h->ca_file);
	if (h->names != NULL)
		curl_easy_setopt(c, CURLOPT_RESOLVE, h->names);
	if (rq->socket != NULL)
		curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, rq->socket);
	if (rq->guarded) {
		curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_guarded);
		curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, dial);
	}
}

/* True if the connection was made, so that the request may have left. */
static bool
was_sent(CURL *c)
{
	curl_off_t at = 0;

	curl_easy_getinfo(c, CURLINFO_PRETRANSFER_TIME_T, &at);
	return at > 0;
}

/* Which part of the way failed, for who must mend it. */
static const char *
cause_of(CURLcode rc)
{
	switch (rc) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return "name";
	case CURLE_COULDNT_CONNECT:
		return "connect";
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_ISSUER_ERROR:
		return "tls";
	default:
		return "reset";
	}
}

static bool
tell(CURLcode rc, const struct buf *body, CURL *c, struct err *e)
{
	switch (rc) {
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(e, ERR_TIMEOUT, "no answer in time");
	case CURLE_WRITE_ERROR:
		return err_set(e, body->failed ? ERR_TOO_LARGE : ERR_INTERNAL,
			"the answer is longer than %zu bytes", body->max);
	case CURLE_UNSUPPORTED_PROTOCOL: /* also of an answer: HTTP/0.9, HTTP/7 */
		if (was_sent(c))
			return err_set(e, ERR_PROTOCOL, "the answer is not HTTP");
		/* fall through */
	case CURLE_URL_MALFORMAT:
		return err_set(e, ERR_INPUT, "not a usable URL");
	case CURLE_WEIRD_SERVER_REPLY:
		return err_set(e, ERR_PROTOCOL, "the answer is not HTTP");
	case CURLE_OUT_OF_MEMORY:
		return err_set(e, ERR_NOMEM, "out of memory");
	default:
		if (e != NULL && e->code == ERR_NONE)
			snprintf(e->cause, sizeof(e->cause), "%s", cause_of(rc));
		return err_set(e, ERR_UNAVAILABLE, "%s", curl_easy_strerror(rc));
	}
}

static int64_t
retry_after(CURL *c)
{
	curl_off_t s = 0;

	return curl_easy_getinfo(c, CURLINFO_RETRY_AFTER, &s) == CURLE_OK ? s : 0;
}

bool
http_call(struct http *h, const struct http_request *rq, deadline_t d,
	struct http_answer *a, struct err *e)
{
	int left = deadline_left(d);
	struct shelf *shelf = shelf_of(h, rq);
	struct dial dial = {.guard = &h->guard};
	struct curl_slist *headers;
	const char *type = NULL;
	int64_t began = clock_us();
	long status = 0;
	CURLcode rc;
	CURL *c;
	bool ok = false;

	*a = (struct http_answer){0};
	buf_init(&a->body, rq->max_answer > 0 ? rq->max_answer : MAX_ANSWER);
	if (rq->guarded && !guard_url(&h->guard, rq->url, e))
		return false;
	if (!headers_ok(rq))
		return err_set(e, ERR_INPUT, "a header holds a line break");
	if (left == 0)
		return err_set(e, ERR_TIMEOUT, "no time left to call");
	c = borrow(h, shelf);
	headers = header_list(rq);
	if (c == NULL || headers == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		goto out;
	}
	set_options(h, c, rq, left, headers, &a->body, &dial);
	rc = curl_easy_perform(c);
	a->duration_us = clock_us() - began;
	spent_since(SPENT_HTTP, began);
	a->sent = rc == CURLE_OK || was_sent(c);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (rc == CURLE_WRITE_ERROR)
		a->status = (int)status;
	if (rc == CURLE_COULDNT_CONNECT && dial.blocked) {
		err_set(e, ERR_BLOCKED, "an address that is not public");
		goto out;
	}
	if (rc != CURLE_OK) {
		tell(rc, &a->body, c, e);
		goto out;
	}
	curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type);
	a->retry_after_s = retry_after(c);
	a->status = (int)status;
	snprintf(a->content_type, sizeof(a->content_type), "%s",
		type != NULL ? type : "");
	ok = status >= 200 && status <= 599;
	if (!ok)
		err_set(e, ERR_PROTOCOL, "HTTP status %ld", status);
out:
	curl_slist_free_all(headers);
	if (c != NULL)
		give_back(h, shelf, c);
	return ok;
}

void
http_answer_free(struct http_answer *a)
{
	buf_free(&a->body);
}

bool
http_escape(struct buf *out, const char *s)
{
	static const char unreserved[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789-._~";

	for (; *s != '\0'; s++) {
		if (strchr(unreserved, *s) != NULL)
			buf_putc(out, *s);
		else
			buf_printf(out, "%%%02X", (unsigned char)*s);
	}
	return !out->failed;
}
