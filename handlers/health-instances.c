/* GET /health/instances[?refresh=true][&limit=][&cursor=]: how the instances are (seed
 * 003). The summary is for anyone; the list for administrators and for networks that
 * nginx vouches for. */
#include <string.h>

#include "lib/auth.h"
#include "lib/responder.h"
#include "lib/sweep.h"

#define PAGE 100
#define ANSWER_MS 1000 /* left of the request's time after waiting for a refresh */

struct wish {
	bool refresh;
	int limit;
	char cursor[INSTANCE_CURSOR_SIZE];
};

static bool
read_wish(const struct request *rq, struct wish *w, struct response *rs)
{
	static const char *const truths[] = {"true", "false", NULL};
	char word[8] = "";

	*w = (struct wish){.limit = PAGE};
	if (!request_query_word(rq, "refresh", truths, word, sizeof(word)))
		return response_invalid(rs, rq, "/refresh", MSG_WANT_FILTER);
	w->refresh = strcmp(word, "true") == 0;
	if (!request_query_word(rq, "cursor", NULL, w->cursor, sizeof(w->cursor)))
		return response_invalid(rs, rq, "/cursor", MSG_WANT_CURSOR);
	return request_query_int(rq, "limit", 1, INSTANCE_PAGE_MAX, &w->limit) ||
		response_invalid(rs, rq, "/limit", MSG_WANT_LIMIT);
}

/* nginx sets this parameter from the address; no header of a client's can. */
static bool
is_trusted(const struct request *rq)
{
	const char *trusted = request_env(rq, "WAPOOL_TRUSTED");

	return trusted != NULL && strcmp(trusted, "1") == 0;
}

/* Who does not say who he is gets the summary; a token that is not ours is a mistake, though. */
static bool
find_admin(struct app *app, const struct request *rq, bool *admin, struct response *rs)
{
	struct user u = {0};

	if (request_header(rq, "Authorization") != NULL && !auth_user(app, rq, &u, rs))
		return false;
	*admin = u.admin;
	return true;
}

static bool
add_list(struct app *app, struct request *rq, const struct wish *w, json_t *body,
	struct response *rs)
{
	char next[INSTANCE_CURSOR_SIZE] = "";
	struct err e = ERR_INIT;
	json_t *list = sweep_list(app, w->cursor, w->limit, rq->deadline, next, &e);

	if (list == NULL) {
		if (e.code == ERR_INPUT)
			response_invalid(rs, rq, "/cursor", MSG_WANT_CURSOR);
		else
			response_error(rs, rq, &e);
		return false;
	}
	json_object_set_new(body, "instances", list);
	if (*next != '\0')
		json_object_set_new(body, "next", json_string(next));
	return true;
}

static void
answer(struct app *app, struct request *rq, const struct wish *w, bool list,
	struct response *rs)
{
	struct err e = ERR_INIT;
	bool done = false;
	struct sweep s;
	json_t *body;

	if ((w->refresh && !sweep_refresh(app, rq->deadline - ANSWER_MS, &done, &e)) ||
		!sweep_summary(app, rq->deadline, &s, &e)) {
		response_error(rs, rq, &e);
		return;
	}
	body = json_pack("{s:s, s:I, s:I, s:s?}", "status",
		s.online > 0 ? "healthy" : "degraded", "online", (json_int_t)s.online,
		"total", (json_int_t)s.total, "checkedAt",
		*s.checked_at != '\0' ? s.checked_at : NULL);
	if (w->refresh)
		json_object_set_new(body, "refreshed", json_boolean(done));
	if (list && !add_list(app, rq, w, body, rs)) {
		json_decref(body);
		return;
	}
	response_json(rs, 200, body);
}

static void
health_instances(struct app *app, struct request *rq, struct response *rs)
{
	struct wish w;
	bool admin;

	if (!find_admin(app, rq, &admin, rs) || !read_wish(rq, &w, rs))
		return;
	if (w.refresh && !admin)
		response_problem(rs, rq, PROBLEM_FORBIDDEN, NULL);
	else
		answer(app, rq, &w, admin || is_trusted(rq), rs);
}

static const struct route routes[] = {
	{"GET", "/health/instances", 0, health_instances},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	static const struct responder self = {.name = "health-instances",
		.threads = 4,
		.needs = APP_DB | APP_AUTH,
		.routes = routes};

	return responder_main(&self, argc, argv);
}
