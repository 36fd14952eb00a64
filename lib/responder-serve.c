/* One request, whichever way it came: body, route, answer, log. */
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

/* One request on its way through this file. */
struct exchange {
	const struct responder *r;
	struct app *app;
	struct peer *peer;
	struct request rq;
	struct response rs;
	struct share_turn turn;
	bool head;
};

enum intake { BODY_OK, BODY_TOO_LARGE, BODY_MALFORMED, BODY_BROKEN };

static bool
method_fits(const struct route *route, const char *method)
{
	return strcmp(route->method, method) == 0 ||
		(strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

/* The first route for path and method, whose placeholders are then in rq->args; NULL if
 * there is none, and then *known says whether the path has other methods. */
static const struct route *
find_route(struct exchange *x, bool *known)
{
	*known = false;
	for (const struct route *route = x->r->routes; route->path != NULL; route++) {
		if (!request_match(&x->rq, route->path))
			continue;
		if (method_fits(route, x->rq.method))
			return route;
		*known = true;
	}
	return NULL;
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

static void
run_route(struct exchange *x, const struct route *route, enum intake got)
{
	if (got == BODY_MALFORMED)
		response_problem(&x->rs, &x->rq, PROBLEM_BAD_REQUEST, NULL);
	else if (got == BODY_TOO_LARGE)
		response_problem(&x->rs, &x->rq, PROBLEM_TOO_LARGE, NULL);
	else if (x->rq.body.failed)
		response_problem(&x->rs, &x->rq, PROBLEM_UNAVAILABLE, NULL);
	else
		route->run(x->app, &x->rq, &x->rs);
	/* a handler that did not answer, or whose answer could not be built */
	if (x->rs.status == 500 && x->rs.content_type == NULL)
		response_problem(&x->rs, &x->rq, PROBLEM_INTERNAL, NULL);
}

static void
run_without_route(struct exchange *x, bool known)
{
	if (known && strcmp(x->rq.method, "OPTIONS") == 0) {
		response_bytes(&x->rs, 204, NULL, "", 0);
		add_allow(x);
	} else if (known) {
		response_problem(&x->rs, &x->rq, PROBLEM_METHOD, NULL);
		add_allow(x);
	} else {
		response_problem(&x->rs, &x->rq, PROBLEM_NOT_FOUND, NULL);
	}
}

/* Fills x->rs. False if the request must be dropped. */
static bool
dispatch(struct exchange *x)
{
	bool known;
	const struct route *route = find_route(x, &known);
	size_t keep = route != NULL ? route->max_body : 0;
	enum intake got = read_body(x, keep, keep > 0 ? keep : IGNORED_MAX);

	if (got == BODY_BROKEN)
		return false;
	if (route != NULL)
		run_route(x, route, got);
	else
		run_without_route(x, known);
	return true;
}

/* Builds the whole answer; a smaller one if it did not fit. */
static bool
render(struct exchange *x, struct buf *out)
{
	response_header(&x->rs, "X-Request-Id", x->rq.id);
	if (response_render(&x->rs, x->head, out))
		return true;
	buf_reset(out);
	response_problem(&x->rs, &x->rq, PROBLEM_INTERNAL, NULL);
	response_header(&x->rs, "X-Request-Id", x->rq.id);
	return response_render(&x->rs, x->head, out);
}

/* What is left of `us` when the others are taken away is the responder's own work. */
static void
log_request(const struct exchange *x, int64_t began, bool sent)
{
	log_write(LOG_INFO, "request", LOG_STR("method", x->rq.method),
		LOG_STR("path", x->rq.path), LOG_INT("status", x->rs.status),
		LOG_INT("us", clock_us() - began), LOG_INT("dbUs", spent_us(SPENT_DB)),
		LOG_INT("httpUs", spent_us(SPENT_HTTP)),
		LOG_INT("waitUs", spent_us(SPENT_WAIT)),
		LOG_INT("authUs", spent_us(SPENT_AUTH)),
		LOG_INT("qrUs", spent_us(SPENT_QR)),
		LOG_INT("bytes", x->head ? 0 : x->rs.body.len), LOG_INT("sent", sent));
}

static void
log_dropped(const struct exchange *x, int64_t began, const char *reason)
{
	log_write(LOG_WARN, "request dropped", LOG_STR("method", x->rq.method),
		LOG_STR("path", x->rq.path), LOG_STR("reason", reason),
		LOG_INT("us", clock_us() - began));
}

bool
responder_serve(const struct responder *r, struct app *app, struct peer *p)
{
	struct exchange x = {.r = r, .app = app, .peer = p};
	int64_t began = clock_us();
	bool answered = false, sent;
	struct buf out;

	buf_init(&out, RENDER_MAX);
	request_init(&x.rq, p->env);
	response_init(&x.rs);
	log_request_id(x.rq.id);
	spent_reset();
	x.rq.deadline = deadline_in(app->config.request_deadline_ms);
	x.rq.turn = &x.turn;
	x.head = strcmp(x.rq.method, "HEAD") == 0;
	p->deadline = x.rq.deadline;
	p->unread = false;
	if (!dispatch(&x)) {
		log_dropped(&x, began, "the body broke off");
		goto out;
	}
	if (!render(&x, &out)) {
		log_dropped(&x, began, "out of memory");
		goto out;
	}
	sent = p->write(p, buf_str(&out), out.len);
	log_request(&x, began, sent);
	answered = true;
out:
	share_give(app->share, &x.turn);
	log_request_id(NULL);
	response_free(&x.rs);
	request_free(&x.rq);
	buf_free(&out);
	return answered;
}
