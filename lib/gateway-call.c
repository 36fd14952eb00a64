#include "lib/gateway-call.h"

#include <stdlib.h>
#include <string.h>

#include "lib/utf8.h"

#define RETRY_BASE_MS 250
#define RETRY_LONGEST_MS 4000
#define CODE_MAX 32 /* characters of a pairing code */

/* What came back, read as far as it can be. */
struct answer {
	struct http_answer http;
	json_t *v;      /* the body as JSON, or NULL */
	struct err bad; /* why it is none */
};

static void
answer_free(struct answer *a)
{
	json_decref(a->v);
	http_answer_free(&a->http);
	*a = (struct answer){0};
}

static bool
make_url(const struct server *s, const struct gateway_call *call, struct buf *url)
{
	const char *gap = strstr(call->path, "%s");

	buf_puts(url, s->url);
	if (gap == NULL) {
		buf_puts(url, call->path);
	} else {
		buf_add(url, call->path, (size_t)(gap - call->path));
		http_escape(url, call->name);
		buf_puts(url, gap + 2);
	}
	if (call->query != NULL)
		buf_puts(url, call->query);
	return !url->failed;
}

enum err_code
gateway_judge(int status, const json_t *v)
{
	(void)v;
	if (status < 300)
		return ERR_NONE;
	if (status == 401 || status == 403)
		return ERR_UNAUTHORIZED;
	if (status == 404)
		return ERR_NOT_FOUND;
	if (status == 409 || status == 422)
		return ERR_CONFLICT;
	return status == 429 || status >= 500 ? ERR_UNAVAILABLE : ERR_PROTOCOL;
}

/* Reads the answer. Bodies are not shown: gateways echo the request, and with it
 * secrets. */
static bool
judge(const struct gateway_dialect *dialect, struct answer *a, struct err *e)
{
	int status = a->http.status;
	enum err_code code;

	if (a->http.body.len > 0)
		a->v = json_parse_strict(
			buf_str(&a->http.body), a->http.body.len, &a->bad);
	code = dialect->judge != NULL ? dialect->judge(status, a->v)
				      : gateway_judge(status, a->v);
	if (code == ERR_NONE)
		return true;
	if (e != NULL && e->code == ERR_NONE)
		e->status = status;
	return err_set(e, code, "%s answered %d%s", dialect->product, status,
		status < 300 ? ", but with an error" : "");
}

static bool
call_once(const struct gateway_dialect *dialect, struct http *h, const struct server *s,
	const struct gateway_call *call, deadline_t d, struct answer *a, struct err *e)
{
	const char *headers[5] = {"Accept: application/json"};
	struct buf url, key;
	char *body = NULL;
	size_t n = 1;
	bool ok = false;

	*a = (struct answer){0};
	buf_init(&url, 2048);
	buf_init(&key, 1024);
	dialect->auth(s, &key);
	if (key.len > 0)
		headers[n++] = buf_str(&key);
	if (call->header != NULL)
		headers[n++] = call->header;
	if (call->body != NULL) {
		body = json_dumps(call->body, JSON_COMPACT);
		headers[n++] = "Content-Type: application/json";
	}
	if (!make_url(s, call, &url) || key.failed ||
		(call->body != NULL && body == NULL)) {
		err_set(e, ERR_INPUT, "the server's URL or key is too long");
		goto out;
	}
	struct http_request rq = {.method = call->method,
		.url = buf_str(&url),
		.headers = headers,
		.body = body,
		.body_len = body != NULL ? strlen(body) : 0,
		.max_answer = call->max_answer,
		.once = call->sent != NULL,
		.guarded = s->guarded};
	ok = http_call(
		h, &rq, deadline_min(d, deadline_in(s->timeout_ms)), &a->http, e);
	if (call->sent != NULL)
		*call->sent |= a->http.sent;
	ok = ok && judge(dialect, a, e);
out:
	buf_free(&url);
	buf_free(&key);
	free(body);
	return ok;
}

static bool
worth_repeating(const struct err *e)
{
	return e->code == ERR_UNAVAILABLE || e->code == ERR_TIMEOUT;
}

/* True if the gateway itself said that it cannot do it now. */
static bool
is_refusal(const struct err *e)
{
	return e->code == ERR_UNAVAILABLE && e->status != 0;
}

/* True if a repeat that begins in `pause` ms may end by d. A gateway that took its
 * time to refuse will take it again; one that was silent may have lost the request, and
 * answer the next one at once. */
static bool
time_for_another(const struct err *e, int64_t took, int64_t pause, deadline_t d)
{
	return deadline_left(d) > pause + (is_refusal(e) ? took : 0);
}

/* The caller frees the answer also on failure. Silence after a refusal leaves the
 * refusal standing: it says more. */
static bool
call_gateway(const struct gateway_dialect *dialect, struct http *h,
	const struct server *s, const struct gateway_call *call, deadline_t d,
	struct answer *a, struct err *e)
{
	int left = call->repeat ? s->retries : 0;
	uint32_t most = RETRY_BASE_MS;
	struct err last, refusal = ERR_INIT;

	for (;; left--) {
		int64_t began, pause = clock_jitter(most);

		err_clear(&last);
		*a = (struct answer){0};
		if (s->admit != NULL && !s->admit(s->admit_ctx, d, &last))
			break; /* the deadline is too near: no later try helps */
		began = clock_ms();
		if (call_once(dialect, h, s, call, d, a, &last))
			return true;
		if (is_refusal(&last))
			refusal = last;
		if (left <= 0 || !worth_repeating(&last) ||
			!time_for_another(&last, clock_ms() - began, pause, d))
			break;
		clock_sleep(pause, d);
		answer_free(a);
		most = most * 2 < RETRY_LONGEST_MS ? most * 2 : RETRY_LONGEST_MS;
	}
	err_pass(
		e, last.code == ERR_TIMEOUT && is_refusal(&refusal) ? &refusal : &last);
	return false;
}

bool
gateway_command(const struct gateway_dialect *dialect, struct http *h,
	const struct server *s, const struct gateway_call *call, deadline_t d,
	struct err *e)
{
	struct answer a;
	bool ok = call_gateway(dialect, h, s, call, d, &a, e);

	if (ok && a.v == NULL && a.http.body.len > 0)
		ok = err_set(
			e, ERR_PROTOCOL, "%s's answer is not JSON", dialect->product);
	answer_free(&a);
	return ok;
}

json_t *
gateway_fetch(const struct gateway_dialect *dialect, struct http *h,
	const struct server *s, const struct gateway_call *call, deadline_t d,
	struct err *e)
{
	json_t *v = NULL;
	struct answer a;

	if (call_gateway(dialect, h, s, call, d, &a, e)) {
		v = json_incref(a.v);
		if (v == NULL)
			err_set(e, ERR_PROTOCOL, "%s's answer is not JSON: %s",
				dialect->product,
				a.bad.code != ERR_NONE ? a.bad.text : "it is empty");
	}
	answer_free(&a);
	return v;
}

bool
gateway_bytes(const struct gateway_dialect *dialect, struct http *h,
	const struct server *s, const struct gateway_call *call, struct buf *out,
	deadline_t d, struct err *e)
{
	struct answer a;
	bool ok = call_gateway(dialect, h, s, call, d, &a, e);

	if (ok && !buf_add(out, buf_str(&a.http.body), a.http.body.len))
		ok = err_set(
			e, ERR_TOO_LARGE, "%s's answer is too long", dialect->product);
	answer_free(&a);
	return ok;
}

bool
gateway_named(struct session *out, const char *name)
{
	*out = (struct session){.state = SESSION_OTHER};
	if (name == NULL || strlen(name) >= sizeof(out->name))
		return false;
	utf8_copy(out->name, sizeof(out->name), name);
	return *name != '\0';
}

bool
gateway_read_one(
	json_t *answer, gateway_read_fn *read, struct session *out, struct err *e)
{
	bool ok = answer != NULL && read(answer, out, e);

	json_decref(answer);
	return ok;
}

bool
gateway_read_list(const struct gateway_dialect *dialect, json_t *answer,
	gateway_read_fn *read, session_fn *each, void *ctx, struct err *e)
{
	bool ok = json_is_array(answer) && json_array_size(answer) == 0;
	struct err why = ERR_INIT; /* with the first that is not whole */
	struct session one;
	const json_t *row;
	size_t i;

	if (answer != NULL && !json_is_array(answer))
		err_set(&why, ERR_PROTOCOL, "%s's list is not an array",
			dialect->product);
	json_array_foreach(answer, i, row) {
		ok |= read(row, &one, &why);
		if (*one.name != '\0' && !each(&one, ctx))
			break;
	}
	if (!ok)
		err_pass(e, &why);
	json_decref(answer);
	return ok;
}

bool
gateway_absent_ok(const struct err *why, struct err *e)
{
	if (why->code == ERR_NOT_FOUND)
		return true;
	err_pass(e, why);
	return false;
}

bool
gateway_ensure(const struct gateway_dialect *dialect, struct http *h,
	const struct server *s, const struct gateway_call *write, gateway_has_fn *has,
	const json_t *want, deadline_t d, struct err *e)
{
	bool there = false;

	if (!has(h, s, write->name, want, &there, d, e))
		return false;
	if (there)
		return true;
	if (!gateway_command(dialect, h, s, write, d, e) ||
		!has(h, s, write->name, want, &there, d, e))
		return false;
	return there ||
		err_set(e, ERR_PROTOCOL, "%s did not keep the session's webhook",
			dialect->product);
}

bool
gateway_is_code(const char *text)
{
	return text != NULL && *text != '\0' && strlen(text) <= CODE_MAX;
}

bool
gateway_may_have_sent(bool left, const struct err *e)
{
	/* 503 is said before anything is done; other 5xx may come from a proxy that
	 * stopped waiting */
	return left && (e->status < 300 || (e->status >= 500 && e->status != 503));
}

static const char *const words[] = {[SESSION_STOPPED] = "STOPPED",
	[SESSION_STARTING] = "STARTING",
	[SESSION_SCAN] = "SCAN_QR_CODE",
	[SESSION_WORKING] = "WORKING",
	[SESSION_FAILED] = "FAILED",
	[SESSION_OTHER] = ""};

enum session_state
gateway_state_of(const char *word)
{
	for (int i = 0; i < SESSION_OTHER; i++)
		if (strcmp(words[i], word) == 0)
			return (enum session_state)i;
	return SESSION_OTHER;
}

const char *
gateway_word(enum session_state state)
{
	return words[state];
}
