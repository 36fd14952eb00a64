/* /api/waha/servers: gateway servers as their owners keep them, and "Testar Conexão". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/gateway.h"
#include "lib/http.h"
#include "lib/idempotency.h"
#include "lib/probe.h"
#include "lib/registry-query.h"
#include "lib/responder.h"
#include "lib/server.h"
#include "lib/uuid.h"

#define SERVERS "/api/waha/servers"
#define SERVER "/api/waha/servers/{id}"
#define TEST "/api/waha/servers/test"
#define TEST_ONE "/api/waha/servers/{id}/test"
#define ACTIVATE "/api/waha/servers/{id}/activate"
#define DEACTIVATE "/api/waha/servers/{id}/deactivate"
#define DRAIN "/api/waha/servers/{id}/drain"
#define BODY_MAX 16384
#define CHANGE_TRIES 3 /* for a change that names no revision and meets another one */

/* --- what the answers have in common */

static void
refuse(const struct request *rq, const struct err *e, struct response *rs)
{
	if (strcmp(e->sqlstate, "23505") == 0)
		response_problem(rs, rq, PROBLEM_SERVER_EXISTS, NULL);
	else if (strcmp(e->sqlstate, "23503") == 0)
		response_invalid(rs, rq, "/user_id", MSG_WANT_OWNER);
	else if (strcmp(e->sqlstate, "23001") == 0)
		response_problem(rs, rq, PROBLEM_SERVER_IN_USE, NULL);
	else if (e->code == ERR_TOO_LARGE)
		response_problem(rs, rq, PROBLEM_SERVER_LIMIT, NULL);
	else
		response_error(rs, rq, e);
}

/* Answers with the server, whose body is taken. */
static void
show(struct response *rs, int status, const struct registry_view *v)
{
	char etag[32];

	snprintf(etag, sizeof(etag), "\"%lld\"", (long long)v->revision);
	response_header(rs, "ETag", etag);
	response_json(rs, status, v->body);
}

/* True if nothing was wrong; else rs says what was. */
static bool
accepted(const struct request *rq, json_t *faults, struct response *rs)
{
	bool ok = faults != NULL && json_array_size(faults) == 0;

	if (faults == NULL)
		response_problem(rs, rq, PROBLEM_INTERNAL, NULL);
	else if (!ok)
		response_invalid_all(rs, rq, faults);
	json_decref(faults);
	return ok;
}

static const struct guard *
guard_for(struct app *app, const char *owner)
{
	return *owner == '\0' ? NULL : http_guard(app->http);
}

/* --- reading */

static void
list(struct app *app, struct request *rq, struct response *rs)
{
	struct registry_filter f = {.limit = 0};
	struct err e = ERR_INIT;
	json_t *page = NULL;
	struct registry_query q;
	struct user u;

	if (!auth_user(app, rq, &u, rs))
		return;
	if (registry_query(rq, &q, &f))
		page = registry_list(app, &u, &f, rq->deadline, &e);
	else
		err_set(&e, ERR_INPUT, "the query is wrong");
	if (page != NULL)
		response_json(rs, 200, page);
	else if (e.code == ERR_INPUT)
		response_problem(rs, rq, PROBLEM_BAD_REQUEST,
			message_text(MSG_WANT_FILTER, rq->lang));
	else
		response_error(rs, rq, &e);
}

static void
get_one(struct app *app, struct request *rq, struct response *rs)
{
	struct err e = ERR_INIT;
	struct registry_view v;
	struct user u;

	if (!auth_user(app, rq, &u, rs))
		return;
	if (registry_get(app, &u, rq->args[0], NULL, &v, rq->deadline, &e))
		show(rs, 200, &v);
	else
		response_error(rs, rq, &e);
}

/* --- writing once: with an Idempotency-Key the answer is stored in the same transaction */

struct writing {
	const struct user *u;
	const struct registry_entry *entry; /* to add, or NULL: */
	const char *id;                     /* to do `action` with */
	enum registry_action action;
};

static bool
write_row(struct app *app, struct db_conn *c, const struct request *rq,
	const struct writing *w, struct registry_view *v, struct err *e)
{
	if (w->entry != NULL)
		return registry_add(app, c, w->u, w->entry, v, rq->deadline, e);
	return registry_act(app, c, w->u, w->id, w->action, v, rq->deadline, e);
}

static void
show_written(
	struct response *rs, const struct writing *w, const struct registry_view *v)
{
	char location[80];

	snprintf(location, sizeof(location), SERVERS "/%s", v->id);
	if (w->entry != NULL)
		response_header(rs, "Location", location);
	if (w->entry != NULL)
		show(rs, 201, v);
	else
		show(rs, w->action == REGISTRY_DRAIN ? 202 : 200, v);
}

/* Writes, answers and stores the answer; on failure rs is as it was, and *e is set. */
static bool
commit(struct app *app, const struct request *rq, const struct writing *w,
	const struct idempotency *id, struct response *rs, struct err *e)
{
	struct db_conn *c = db_get(app->db, rq->deadline, e);
	struct registry_view v;
	bool ok = false;

	if (c == NULL)
		return false;
	if (db_begin(c, rq->deadline, e) && write_row(app, c, rq, w, &v, e)) {
		show_written(rs, w, &v);
		ok = idempotency_store(app, c, id, rs, rq->deadline, e) &&
			db_commit(c, rq->deadline, e);
	}
	if (!ok)
		db_rollback(c, rq->deadline);
	db_put(app->db, c);
	return ok;
}

static void
write_once(struct app *app, struct request *rq, const struct writing *w,
	struct response *rs)
{
	struct err e = ERR_INIT;
	struct idempotency id;

	if (!idempotency_begin(app, rq, w->u, rq->path, &id, rs))
		return;
	if (!commit(app, rq, w, &id, rs, &e)) {
		refuse(rq, &e, rs);
		idempotency_end(app, &id, rs);
	}
}

static void
create(struct app *app, struct request *rq, struct response *rs)
{
	struct registry_entry entry = {.owner = ""};
	const struct guard *guard;
	struct user u;
	json_t *body;

	if (!auth_user(app, rq, &u, rs))
		return;
	body = response_or_json(rs, rq, false);
	if (body == NULL)
		return;
	/* an administrator names nobody: the platform's */
	guard = u.admin && !json_is_string(json_object_get(body, "user_id"))
		? NULL
		: http_guard(app->http);
	if (accepted(rq,
		    registry_entry_read(
			    &entry, body, REGISTRY_CREATE, &u, guard, rq->lang),
		    rs))
		write_once(app, rq, &(struct writing){.u = &u, .entry = &entry}, rs);
	registry_entry_free(&entry);
	json_decref(body);
}

static void
act(struct app *app, struct request *rq, enum registry_action action,
	struct response *rs)
{
	struct user u;

	if (auth_user(app, rq, &u, rs))
		write_once(app, rq,
			&(struct writing){.u = &u, .id = rq->args[0], .action = action},
			rs);
}

static void
activate(struct app *app, struct request *rq, struct response *rs)
{
	act(app, rq, REGISTRY_ACTIVATE, rs);
}

static void
deactivate(struct app *app, struct request *rq, struct response *rs)
{
	act(app, rq, REGISTRY_DEACTIVATE, rs);
}

static void
drain(struct app *app, struct request *rq, struct response *rs)
{
	act(app, rq, REGISTRY_DRAIN, rs);
}

/* --- changing */

/* One try: reads the row, lays the body over it, writes it if it is still the one that was
 * read. False if it was not, and nobody named a revision: rs is not answered yet. */
static bool
change_once(struct app *app, struct request *rq, const struct user *u,
	const json_t *body, enum registry_mode mode, struct response *rs)
{
	struct registry_view before, after = {.body = NULL};
	struct registry_entry entry;
	struct err e = ERR_INIT;
	bool answered = true, current;

	if (!registry_get(app, u, rq->args[0], &entry, &before, rq->deadline, &e)) {
		response_error(rs, rq, &e);
	} else if (!request_if_match(rq, before.revision)) {
		response_problem(rs, rq, PROBLEM_PRECONDITION, NULL);
	} else if (accepted(rq,
			   registry_entry_read(&entry, body, mode, u,
				   guard_for(app, entry.owner), rq->lang),
			   rs)) {
		if (!registry_change(app, before.id, before.revision, &entry, &current,
			    &after, rq->deadline, &e))
			refuse(rq, &e, rs);
		else if (current)
			show(rs, 200, &after);
		else if (request_header(rq, "If-Match") != NULL)
			response_problem(rs, rq, PROBLEM_PRECONDITION, NULL);
		else
			answered = false;
	}
	json_decref(before.body);
	registry_entry_free(&entry);
	return answered;
}

static void
change(struct app *app, struct request *rq, enum registry_mode mode,
	struct response *rs)
{
	struct user u;
	json_t *body;
	bool done = false;

	if (!auth_user(app, rq, &u, rs))
		return;
	body = response_or_json(rs, rq, false);
	if (body == NULL)
		return;
	for (int i = 0; !done && i < CHANGE_TRIES; i++)
		done = change_once(app, rq, &u, body, mode, rs);
	if (!done)
		response_problem(rs, rq, PROBLEM_CONFLICT, NULL);
	json_decref(body);
}

static void
replace(struct app *app, struct request *rq, struct response *rs)
{
	change(app, rq, REGISTRY_REPLACE, rs);
}

static void
patch(struct app *app, struct request *rq, struct response *rs)
{
	change(app, rq, REGISTRY_CHANGE, rs);
}

/* --- removing */

static void
tell_removal(struct app *app, struct request *rq, const struct user *u,
	enum registry_removal how, struct response *rs)
{
	struct err e = ERR_INIT;
	struct registry_view v;

	if (how == REGISTRY_REMOVED)
		response_bytes(rs, 204, NULL, "", 0);
	else if (how == REGISTRY_BUSY)
		response_problem(rs, rq, PROBLEM_SERVER_IN_USE, NULL);
	else if (how == REGISTRY_STALE)
		response_problem(rs, rq, PROBLEM_PRECONDITION, NULL);
	else if (registry_get(app, u, rq->args[0], NULL, &v, rq->deadline, &e))
		show(rs, 202, &v);
	else if (e.code == ERR_NOT_FOUND) /* its last session has left already */
		response_bytes(rs, 204, NULL, "", 0);
	else
		response_error(rs, rq, &e);
}

static void
remove_one(struct app *app, struct request *rq, struct response *rs)
{
	enum registry_removal how = REGISTRY_STALE;
	struct registry_view v = {.revision = 0};
	struct err e = ERR_INIT;
	struct user u;
	static const char *const forces[] = {"drain", NULL};
	char force[8] = "";

	if (!auth_user(app, rq, &u, rs))
		return;
	if (!request_query_word(rq, "force", forces, force, sizeof(force))) {
		response_problem(rs, rq, PROBLEM_BAD_REQUEST,
			message_text(MSG_WANT_FILTER, rq->lang));
		return;
	}
	if (request_header(rq, "If-Match") != NULL) {
		if (!registry_get(app, &u, rq->args[0], NULL, &v, rq->deadline, &e)) {
			response_error(rs, rq, &e);
			return;
		}
		json_decref(v.body);
	}
	if (!request_if_match(rq, v.revision))
		response_problem(rs, rq, PROBLEM_PRECONDITION, NULL);
	else if (registry_remove(app, &u, rq->args[0], v.revision, *force != '\0', &how,
			 rq->deadline, &e))
		tell_removal(app, rq, &u, how, rs);
	else
		response_error(rs, rq, &e);
}

/* --- "Testar Conexão" */

static void
probe(struct app *app, struct request *rq, struct server *s, struct response *rs)
{
	struct probe p;

	probe_run(app->http, s, rq->deadline, &p);
	response_json(rs, 200, probe_json(&p, rq->lang));
}

static void
test_new(struct app *app, struct request *rq, struct response *rs)
{
	struct registry_entry entry = {.owner = ""};
	struct server s = {.url = NULL};
	struct user u;
	json_t *body;

	if (!auth_user(app, rq, &u, rs))
		return;
	body = response_or_json(rs, rq, false);
	if (body == NULL)
		return;
	/* where it may go is for the test to say */
	if (accepted(rq, registry_entry_read_test(&entry, body, NULL, rq->lang), rs)) {
		registry_entry_server(&entry, &s);
		s.timeout_ms = app->config.gateway_timeout_ms;
		s.guarded = !u.admin;
		probe(app, rq, &s, rs);
	}
	registry_entry_free(&entry);
	json_decref(body);
}

static void
test_one(struct app *app, struct request *rq, struct response *rs)
{
	struct server *s = NULL;
	struct err e = ERR_INIT;
	struct registry_view v;
	struct user u;

	if (!auth_user(app, rq, &u, rs))
		return;
	if (registry_get(app, &u, rq->args[0], NULL, &v, rq->deadline, &e)) {
		json_decref(v.body);
		s = server_load(app, v.id, rq->deadline, &e);
	}
	if (s != NULL)
		probe(app, rq, s, rs);
	else
		response_error(rs, rq, &e);
	server_free(s);
}

static const struct route routes[] = {
	{"GET", SERVERS, 0, list},
	{"POST", SERVERS, BODY_MAX, create},
	{"POST", TEST, BODY_MAX, test_new},
	{"GET", SERVER, 0, get_one},
	{"PUT", SERVER, BODY_MAX, replace},
	{"PATCH", SERVER, BODY_MAX, patch},
	{"DELETE", SERVER, 0, remove_one},
	{"POST", TEST_ONE, 0, test_one},
	{"POST", ACTIVATE, 0, activate},
	{"POST", DEACTIVATE, 0, deactivate},
	{"POST", DRAIN, 0, drain},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	/* a test waits for its gateway */
	static const struct responder self = {.name = "waha-servers",
		.threads = 16,
		.waits = true,
		.needs = APP_DB | APP_AUTH | APP_SEAL | APP_HTTP,
		.routes = routes};

	return responder_main(&self, argc, argv);
}
