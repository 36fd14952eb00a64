/* Requests, whichever way they came: body, route, answer, log. */
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/responder-int.h"
#include "lib/share.h"
#include "lib/spent.h"

#define CHUNK 8192
#define IGNORED_MAX (64u << 10) /* a body that its route does not want */
#define DRAIN_MAX (16u << 20)   /* read at most, so that the refusal can be read */
#define ALLOW_MAX 16            /* methods of one path */
#define RENDER_MAX (RESPONSE_MAX + (64u << 10))

enum intake { BODY_OK, BODY_TOO_LARGE, BODY_MALFORMED, BODY_BROKEN };

/* One request on its way through this file. */
struct exchange {
	const struct responder *r;
	struct app *app;
	struct peer *peer;
	struct request rq;
	struct response rs;
	struct share_turn turn;
	int64_t began;
	const struct route *route;
	bool known; /* the path has routes, if not for this method */
	enum intake got;
	bool head;
};

static bool
method_fits(const struct route *route, const char *method)
{
	return strcmp(route->method, method) == 0 ||
		(strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

/* Finds the first route for path and method, whose placeholders are then in rq.args. */
static void
find_route(struct exchange *x)
{
	for (const struct route *route = x->r->routes; route->path != NULL; route++) {
		if (!request_match(&x->rq, route->path))
			continue;
		if (method_fits(route, x->rq.method)) {
			x->route = route;
			return;
		}
		x->known = true;
	}
}

static void
add_method(const char **list, size_t *n, const char *method)
{
	for (size_t i = 0; i < *n; i++)
		if (strcmp(list[i], method) == 0)
			return;
	if (*n < ALLOW_MAX)
		list[(*n)++] = method;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Adds Allow: what the path answers to, sorted. */
static void
add_allow(struct exchange *x)
{
	const char *list[ALLOW_MAX] = {NULL};
	size_t n = 0;
	struct buf value;

	add_method(list, &n, "OPTIONS");
	for (const struct route *route = x->r->routes; route->path != NULL; route++) {
		if (!request_match(&x->rq, route->path))
			continue;
		add_method(list, &n, route->method);
		if (strcmp(route->method, "GET") == 0)
			add_method(list, &n, "HEAD");
	}
	qsort(list, n, sizeof(list[0]), compare_names);
	buf_init(&value, 256);
	for (size_t i = 0; i < n; i++)
		buf_printf(&value, "%s%s", i > 0 ? ", " : "", list[i]);
	response_header(&x->rs, "Allow", buf_str(&value));
	buf_free(&value);
}

/* The body's announced length: 0 if none was announced. False if it is no number. */
static bool
announced_length(const struct request *rq, size_t *out)
{
	const char *s = request_header(rq, "Content-Length");
	char *end;

	*out = 0;
	if (s == NULL)
		return true;
	if (strspn(s, "0123456789") != strlen(s) || strlen(s) > 18)
		return false;
	*out = (size_t)strtoull(s, &end, 10);
	return true;
}

/* Reads the body to its end whatever becomes of it: bytes left on a kept
 * connection would be taken for the next request. A body of up to `keep` bytes
 * goes to rq->body. */
static enum intake
read_body(struct exchange *x, size_t keep, size_t limit)
{
	char chunk[CHUNK];
	size_t total = 0, announced;
	bool number = announced_length(&x->rq, &announced);
	ssize_t n;

	buf_init(&x->rq.body, keep);
	while ((n = x->peer->read(x->peer, chunk, sizeof(chunk))) > 0) {
		total += (size_t)n;
		if (total <= keep)
			buf_add(&x->rq.body, chunk, (size_t)n);
		if (total > DRAIN_MAX) {
			x->peer->unread = true;
			break;
		}
	}
	if (n < 0 || (n == 0 && number && total < announced))
		return BODY_BROKEN;
	if (!number)
		return BODY_MALFORMED;
	return total > limit ? BODY_TOO_LARGE : BODY_OK;
}

/* True if it is no request for its route. */
static bool
is_unfit(struct exchange *x)
{
	if (x->got == BODY_MALFORMED)
		response_problem(&x->rs, &x->rq, PROBLEM_BAD_REQUEST, NULL);
	else if (x->got == BODY_TOO_LARGE)
		response_problem(&x->rs, &x->rq, PROBLEM_TOO_LARGE, NULL);
	else if (x->rq.body.failed)
		response_problem(&x->rs, &x->rq, PROBLEM_UNAVAILABLE, NULL);
	else
		return false;
	return true;
}

static void
run_without_route(struct exchange *x)
{
	if (x->known && strcmp(x->rq.method, "OPTIONS") == 0) {
		response_bytes(&x->rs, 204, NULL, "", 0);
		add_allow(x);
	} else if (x->known) {
		response_problem(&x->rs, &x->rq, PROBLEM_METHOD, NULL);
		add_allow(x);
	} else {
		response_problem(&x->rs, &x->rq, PROBLEM_NOT_FOUND, NULL);
	}
}

/* Fills x->rs, unless that is left to run_all: then true. */
static bool
run_alone(struct exchange *x)
{
	log_request_id(x->rq.id);
	if (x->route == NULL)
		run_without_route(x);
	else if (is_unfit(x))
		return false;
	else if (x->route->run != NULL)
		x->route->run(x->app, &x->rq, &x->rs);
	else
		return true;
	return false;
}

/* Fills every x[i].rs. */
static void
run_routes(struct exchange *x, size_t n)
{
	struct call calls[RESPONDER_AT_ONCE];
	size_t open = 0;

	for (size_t i = 0; i < n; i++)
		if (run_alone(&x[i]))
			calls[open++] = (struct call){&x[i].rq, &x[i].rs};
	if (open > 0)
		x->r->run_all(x->app, calls, open);
}

/* Builds the whole answer; a smaller one if it did not fit. */
static bool
render(struct exchange *x, struct buf *out)
{
	response_header(&x->rs, "X-Request-Id", x->rq.id);
	/* a handler that did not answer, or whose answer could not be built */
	if (x->rs.status == 500 && x->rs.content_type == NULL)
		response_problem(&x->rs, &x->rq, PROBLEM_INTERNAL, NULL);
	if (response_render(&x->rs, x->head, out))
		return true;
	buf_reset(out);
	response_problem(&x->rs, &x->rq, PROBLEM_INTERNAL, NULL);
	response_header(&x->rs, "X-Request-Id", x->rq.id);
	return response_render(&x->rs, x->head, out);
}

/* What is left of `us` when the others are taken away is the responder's own work. */
static void
log_request(const struct exchange *x, size_t together, bool sent)
{
	log_write(LOG_INFO, "request", LOG_STR("method", x->rq.method),
		LOG_STR("path", x->rq.path), LOG_INT("status", x->rs.status),
		LOG_INT("us", clock_us() - x->began),
		LOG_INT("dbUs", spent_us(SPENT_DB)),
		LOG_INT("httpUs", spent_us(SPENT_HTTP)),
		LOG_INT("waitUs", spent_us(SPENT_WAIT)),
		LOG_INT("authUs", spent_us(SPENT_AUTH)),
		LOG_INT("qrUs", spent_us(SPENT_QR)),
		LOG_INT("together", (int64_t)together),
		LOG_INT("bytes", x->head ? 0 : x->rs.body.len), LOG_INT("sent", sent));
}

static void
drop(struct exchange *x, const char *reason)
{
	x->peer->dropped = true;
	log_request_id(x->rq.id);
	log_write(LOG_WARN, "request dropped", LOG_STR("method", x->rq.method),
		LOG_STR("path", x->rq.path), LOG_STR("reason", reason),
		LOG_INT("us", clock_us() - x->began));
}

/* Reads a request. False if its body broke off. */
static bool
read_request(
	struct exchange *x, const struct responder *r, struct app *app, struct peer *p)
{
	size_t keep;

	*x = (struct exchange){.r = r, .app = app, .peer = p, .began = clock_us()};
	request_init(&x->rq, p->env);
	response_init(&x->rs);
	x->rq.deadline = deadline_in(app->config.request_deadline_ms);
	x->rq.turn = &x->turn;
	x->head = strcmp(x->rq.method, "HEAD") == 0;
	p->deadline = x->rq.deadline;
	p->unread = p->dropped = false;
	find_route(x);
	keep = x->route != NULL ? x->route->max_body : 0;
	x->got = read_body(x, keep, keep > 0 ? keep : IGNORED_MAX);
	return x->got != BODY_BROKEN;
}

static void
exchange_free(struct exchange *x)
{
	share_give(x->app->share, &x->turn);
	response_free(&x->rs);
	request_free(&x->rq);
}

static void
answer(struct exchange *x, size_t together)
{
	struct buf out;

	log_request_id(x->rq.id);
	buf_init(&out, RENDER_MAX);
	if (render(x, &out))
		log_request(
			x, together, x->peer->write(x->peer, buf_str(&out), out.len));
	else
		drop(x, "out of memory");
	buf_free(&out);
	exchange_free(x);
}

void
responder_serve(
	const struct responder *r, struct app *app, struct peer *const *peers, size_t n)
{
	struct exchange x[RESPONDER_AT_ONCE];
	size_t whole = 0;

	spent_reset();
	for (size_t i = 0; i < n; i++)
		if (read_request(&x[whole], r, app, peers[i])) {
			whole++;
		} else {
			drop(&x[whole], "the body broke off");
			exchange_free(&x[whole]);
		}
	run_routes(x, whole);
	for (size_t i = 0; i < whole; i++)
		answer(&x[i], whole);
	log_request_id(NULL);
}
