/* What operators watch: the pool at a glance, its history as numbers and plots, events
 * that did not arrive. */
#include <string.h>

#include "lib/auth.h"
#include "lib/event.h"
#include "lib/history.h"
#include "lib/idempotency.h"
#include "lib/instance-query.h"
#include "lib/overview.h"
#include "lib/parked.h"
#include "lib/pool.h"
#include "lib/responder.h"
#include "lib/uuid.h"

#define DELIVERIES "/admin/deliveries"
#define PAGE 50 /* rows, unless ?limit= says another number */
#define SVG "image/svg+xml"
#define SVG_MAX (1u << 20)

/* --- The pool --- */

static void
pool(struct app *app, struct request *rq, struct response *rs)
{
	struct err e = ERR_INIT;
	struct user u;
	json_t *o;

	if (!auth_admin(app, rq, &u, rs))
		return;
	o = overview(app, rq->deadline, &e);
	if (o != NULL)
		response_json(rs, 200, o);
	else
		response_error(rs, rq, &e);
}

static bool
read_range(const struct request *rq, enum history_range *range, struct response *rs)
{
	char word[8] = "";

	*range = HISTORY_HOUR;
	if (!request_query_has(rq, "range"))
		return true;
	request_query(rq, "range", word, sizeof(word));
	return history_range_of(word, range) ||
		response_invalid(rs, rq, "/range", MSG_WANT_RANGE);
}

static bool
read_look(const struct request *rq, struct history_look *look, struct response *rs)
{
	static const char *const themes[] = {
		[PLOT_AUTO] = "auto", [PLOT_LIGHT] = "light", [PLOT_DARK] = "dark"};
	char word[8] = "auto";
	size_t i = 0;

	*look = (struct history_look){.lang = rq->lang, .width = PLOT_WIDTH};
	if (request_query_has(rq, "theme"))
		request_query(rq, "theme", word, sizeof(word));
	while (i < 3 && strcmp(themes[i], word) != 0)
		i++;
	if (i == 3)
		return response_invalid(rs, rq, "/theme", MSG_WANT_THEME);
	look->theme = (enum plot_theme)i;
	return request_query_int(
		       rq, "width", PLOT_WIDTH_MIN, PLOT_WIDTH_MAX, &look->width) ||
		response_invalid(rs, rq, "/width", MSG_WANT_WIDTH);
}

/* What a request for a history is about: server is NULL for the pool. */
static bool
read_history(struct app *app, struct request *rq, const char *server, struct history *h,
	struct response *rs)
{
	struct err e = ERR_INIT;
	enum history_range range;

	if (!read_range(rq, &range, rs))
		return false;
	if (server != NULL && !uuid_valid(server))
		err_set(&e, ERR_NOT_FOUND, "not an id");
	else if (server != NULL
			? history_server(app, server, range, rq->deadline, h, &e)
			: history_pool(app, range, rq->deadline, h, &e))
		return true;
	if (e.code == ERR_NOT_FOUND)
		response_problem(rs, rq, PROBLEM_NOT_FOUND, NULL);
	else
		response_error(rs, rq, &e);
	return false;
}

typedef json_t *history_json(const struct history *h, enum lang lang);
typedef bool history_svg(const struct history *h, const struct history_look *look,
	struct buf *out, struct err *e);

static void
numbers(struct app *app, struct request *rq, const char *server, history_json *json,
	struct response *rs)
{
	struct history h;
	struct user u;

	if (auth_admin(app, rq, &u, rs) && read_history(app, rq, server, &h, rs))
		response_json(rs, 200, json(&h, rq->lang));
}

static void
picture(struct app *app, struct request *rq, const char *server, history_svg *svg,
	struct response *rs)
{
	struct history_look look;
	struct err e = ERR_INIT;
	struct history h;
	struct buf out;
	struct user u;

	if (!auth_admin(app, rq, &u, rs) || !read_look(rq, &look, rs) ||
		!read_history(app, rq, server, &h, rs))
		return;
	buf_init(&out, SVG_MAX);
	response_header(rs, "Content-Language", rq->lang == LANG_PT ? "pt-BR" : "en");
	if (svg(&h, &look, &out, &e))
		response_bytes(rs, 200, SVG, buf_str(&out), out.len);
	else
		response_error(rs, rq, &e);
	buf_free(&out);
}

static void
pool_history(struct app *app, struct request *rq, struct response *rs)
{
	numbers(app, rq, NULL, history_pool_json, rs);
}

static void
pool_plot(struct app *app, struct request *rq, struct response *rs)
{
	picture(app, rq, NULL, history_pool_svg, rs);
}

static void
server_history(struct app *app, struct request *rq, struct response *rs)
{
	numbers(app, rq, rq->args[0], history_server_json, rs);
}

static void
server_plot(struct app *app, struct request *rq, struct response *rs)
{
	picture(app, rq, rq->args[0], history_server_svg, rs);
}

/* --- Events that did not arrive --- */

/* Room for what a filter points into. */
struct parked_query {
	char state[16], user[37], device[37], webhook[37], type[32],
		cursor[REQUEST_DIGITS_SIZE];
	int limit;
	struct parked_filter filter;
};

/* Whether a value of that member can be one: all are ids, but for the type. "" is none. */
static bool
value_ok(const char *name, const char *value)
{
	return strcmp(name, "type") == 0 ? event_type_valid(value) : uuid_valid(value);
}

static bool
read_filter(const struct request *rq, struct parked_query *q, struct response *rs)
{
	const struct {
		const char *name, *pointer;
		char *to;
		size_t size;
	} members[] = {
		{"user", "/user", q->user, sizeof(q->user)},
		{"device", "/device", q->device, sizeof(q->device)},
		{"webhook", "/webhook", q->webhook, sizeof(q->webhook)},
		{"type", "/type", q->type, sizeof(q->type)},
	};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (request_query_has(rq, members[i].name) &&
			(!request_query(
				 rq, members[i].name, members[i].to, members[i].size) ||
				!value_ok(members[i].name, members[i].to)))
			return response_invalid(
				rs, rq, members[i].pointer, MSG_WANT_FILTER);
	q->filter = (struct parked_filter){q->user, q->device, q->webhook, q->type};
	return true;
}

static bool
read_query(const struct request *rq, struct parked_query *q, struct response *rs)
{
	static const char *const states[] = {"parked", "pending", NULL};

	*q = (struct parked_query){.state = "parked", .limit = PAGE};
	if (!request_query_word(rq, "state", states, q->state, sizeof(q->state)))
		return response_invalid(rs, rq, "/state", MSG_WANT_FILTER);
	if (!request_query_digits(rq, "cursor", q->cursor, sizeof(q->cursor)))
		return response_invalid(rs, rq, "/cursor", MSG_WANT_CURSOR);
	if (!request_query_int(rq, "limit", 1, PARKED_PAGE_MAX, &q->limit))
		return response_invalid(rs, rq, "/limit", MSG_WANT_LIMIT);
	return read_filter(rq, q, rs);
}

static void
deliveries(struct app *app, struct request *rq, struct response *rs)
{
	char next[PARKED_CURSOR_SIZE];
	struct err e = ERR_INIT;
	struct parked_query q;
	struct user u;
	json_t *rows;

	if (!auth_admin(app, rq, &u, rs) || !read_query(rq, &q, rs))
		return;
	rows = parked_list(
		app, q.state, &q.filter, q.cursor, q.limit, rq->deadline, next, &e);
	if (rows == NULL) {
		response_error(rs, rq, &e);
		return;
	}
	if (*next != '\0')
		instance_link_next(rq, DELIVERIES, next, rs);
	response_json(rs, 200,
		json_pack("{s:o, s:s?}", "deliveries", rows, "next",
			*next != '\0' ? next : NULL));
}

static void
replay_one(struct app *app, struct request *rq, struct response *rs)
{
	enum parked_outcome outcome;
	struct err e = ERR_INIT;
	struct user u;

	if (!auth_admin(app, rq, &u, rs))
		return;
	if (!parked_replay(app, rq->args[0], rq->deadline, &outcome, &e)) {
		response_error(rs, rq, &e);
	} else if (outcome == PARKED_REPLAYED) {
		pool_wake(app, rq->deadline);
		response_json(rs, 200, json_pack("{s:i}", "replayed", 1));
	} else if (outcome == PARKED_NONE) {
		response_problem(rs, rq, PROBLEM_NOT_FOUND, NULL);
	} else {
		response_problem(rs, rq, PROBLEM_CONFLICT,
			message_text(outcome == PARKED_DISABLED ? MSG_WEBHOOK_DISABLED
								: MSG_EVENT_EXPIRED,
				rq->lang));
	}
}

/* The filter of a body. False: rs holds the 422. */
static bool
body_filter(const struct request *rq, const json_t *body, struct parked_filter *f,
	struct response *rs)
{
	const struct {
		const char *name, *pointer, **to;
	} members[] = {
		{"user", "/user", &f->user},
		{"device", "/device", &f->device},
		{"webhook", "/webhook", &f->webhook},
		{"type", "/type", &f->type},
	};

	*f = (struct parked_filter){0};
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		const json_t *v = json_object_get(body, members[i].name);

		*members[i].to = json_string_value(v);
		if (v != NULL && !json_is_null(v) &&
			(*members[i].to == NULL ||
				!value_ok(members[i].name, *members[i].to)))
			return response_invalid(
				rs, rq, members[i].pointer, MSG_WANT_FILTER);
	}
	return true;
}

static void
replay(struct app *app, struct request *rq, const struct parked_filter *f,
	struct response *rs)
{
	struct parked_result result;
	struct err e = ERR_INIT;

	if (!parked_replay_all(app, f, rq->deadline, &result, &e)) {
		response_error(rs, rq, &e);
		return;
	}
	if (result.replayed > 0)
		pool_wake(app, rq->deadline);
	response_json(rs, 200,
		json_pack("{s:i, s:i, s:i}", "replayed", result.replayed, "remaining",
			result.remaining, "disabled", result.disabled));
}

static void
replay_all(struct app *app, struct request *rq, struct response *rs)
{
	struct parked_filter f;
	struct idempotency id;
	struct user u;
	json_t *body;

	if (!auth_admin(app, rq, &u, rs))
		return;
	body = response_or_json(rs, rq, true);
	if (body != NULL && body_filter(rq, body, &f, rs) &&
		idempotency_begin(app, rq, &u, DELIVERIES "/replay", &id, rs)) {
		replay(app, rq, &f, rs);
		idempotency_end(app, &id, rs);
	}
	json_decref(body);
}

static const struct route routes[] = {
	{"GET", "/admin/pool", 0, pool},
	{"GET", "/admin/pool/history", 0, pool_history},
	{"GET", "/admin/pool/history.svg", 0, pool_plot},
	{"GET", "/admin/servers/{id}/history", 0, server_history},
	{"GET", "/admin/servers/{id}/latency.svg", 0, server_plot},
	{"GET", "/admin/deliveries", 0, deliveries},
	{"POST", "/admin/deliveries/replay", 4096, replay_all},
	{"POST", "/admin/deliveries/{event}/replay", 4096, replay_one},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	static const struct responder self = {.name = "operations",
		.threads = 4,
		.needs = APP_DB | APP_AUTH,
		.routes = routes};

	return responder_main(&self, argc, argv);
}
