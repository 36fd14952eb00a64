#include "lib/webhook.h"

#include <stdio.h>
#include <string.h>

#include "lib/db.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/pool.h"
#include "lib/server-cache.h"
#include "lib/server.h"
#include "lib/uuid.h"
#include "lib/webhook-int.h"

#define WAKE_MS 1000
#define SMALL                                                                          \
	(64u << 10) /* bodies of which 16 may be in memory as trees, with their texts */

/* The helper has something to do after a release, or when a phone may be gone. */
static bool
wants_helper(const struct gateway_event *ev)
{
	return ev->released ||
		(ev->status != NULL && strcmp(ev->status, "FAILED") == 0);
}

/* False: rs is the refusal. */
static bool
has_room(struct app *app, const struct delivery *d, struct response *rs)
{
	struct err e = ERR_INIT;
	char seconds[DB_PARAM_SIZE];

	if (!delivery_room(app, d, seconds, &e)) {
		response_error(rs, d->rq, &e);
		return false;
	}
	if (*seconds == '\0')
		return true;
	response_problem(rs, d->rq, PROBLEM_WEBHOOKS_FULL, NULL);
	response_header(rs, "Retry-After", seconds);
	return false;
}

/* Parses what is known to come from there. False: rs is the answer. */
static bool
admit(struct app *app, const struct request *rq, const struct sender *from,
	struct delivery *out, struct response *rs)
{
	struct err e = ERR_INIT;

	*out = (struct delivery){
		.rq = rq, .from = *from, .body = request_json(rq, false, &e)};
	if (out->body == NULL ||
		!server_gateway(from->server)->parse_webhook(out->body, &out->ev, &e) ||
		!delivery_prepare(app, out, &e))
		response_error(rs, rq, &e);
	else if (has_room(app, out, rs))
		return true;
	delivery_free(out);
	return false;
}

/* Answers what was stored, and frees it. False, with nothing answered: the secret that signed it is
 * the server's no more. *wake turns true if the helper has something to do. */
static bool
answer_stored(struct delivery *d, bool *wake, struct response *rs)
{
	const char *outcome = db_text(d->stored, 0, 0);
	bool verified = strcmp(outcome, "unverified") != 0;

	log_write(LOG_DEBUG, "webhook", LOG_STR("gatewayEvent", d->ev.event),
		LOG_STR("outcome", outcome), LOG_STR("server", d->from.server->id));
	if (db_bool(d->stored, 0, 1) ||
		(strcmp(outcome, "applied") == 0 && wants_helper(&d->ev)))
		*wake = true;
	if (verified)
		response_json(rs, 200,
			json_pack("{s:b, s:b}", "success", 1, "duplicate",
				strcmp(outcome, "duplicate") == 0));
	delivery_free(d);
	return verified;
}

/* Stores what deliveries_store has not stored yet, and answers. False as answer_stored. */
static bool
store_and_answer(struct app *app, struct delivery *d, bool *wake, struct response *rs)
{
	struct err e = ERR_INIT;

	if (d->stored != NULL || delivery_store(app, d, &e))
		return answer_stored(d, wake, rs);
	/* a conflict inside the database is no fault of the gateway: it tries again */
	if (e.code == ERR_CONFLICT)
		e.code = ERR_UNAVAILABLE;
	response_error(rs, d->rq, &e);
	delivery_free(d);
	return true;
}

static void
refuse(struct app *app, const struct request *rq, struct response *rs)
{
	metrics_refused(app);
	response_problem(rs, rq, PROBLEM_BAD_SIGNATURE, NULL);
}

/* Signed with the server's secret, or with the one before, which a session has until it is
 * told of the change. */
static bool
is_signed(const struct server *s, const struct request *rq, struct sender *by)
{
	const struct gateway *gw = server_gateway(s);
	struct server before = *s;

	*by = (struct sender){s, s->present_mark};
	if (gw->signature_ok(s, rq))
		return true;
	by->mark = s->former_mark;
	before.webhook_secret = s->former_secret;
	return s->former_secret != NULL && *s->former_secret != '\0' &&
		gw->signature_ok(&before, rq);
}

/* A secret that changed between two looks at it: the gateway tries again. */
static void
refuse_for_now(const struct request *rq, struct response *rs)
{
	response_problem(rs, rq, PROBLEM_UNAVAILABLE, NULL);
}

static bool
claims(const struct gateway *gw, const struct request *rq)
{
	return gw->claims == NULL || gw->claims(rq);
}

static bool
anybody_claims(const struct request *rq)
{
	const struct gateway *gw;

	for (size_t i = 0; (gw = gateway_at(i)) != NULL; i++)
		if (claims(gw, rq))
			return true;
	return false;
}

/* There is no such server, or its row could not be read. An unknown server and a bad
 * signature look alike: ids are not for guessing. */
static void
fail_at(struct app *app, const struct request *rq, struct err *e, struct response *rs)
{
	if (e->code == ERR_UNAUTHORIZED)
		e->code = ERR_CONFIG; /* a secret of ours that cannot be opened */
	if (e->code == ERR_NOT_FOUND)
		refuse(app, rq, rs);
	else
		response_error(rs, rq, e);
}

/* One of several requests, between its coming in and its answer. */
struct arrival {
	struct call call;
	struct server_entry *entry;
	struct delivery delivery;
};

enum look {
	LOOK_IN,   /* to be stored */
	LOOK_DONE, /* answered */
	LOOK_LEFT  /* neither */
};

/* How a request is received: beside others, with its server as it is remembered; or alone, with
 * that, or with its server as it is now, which is the last word. */
enum manner { BESIDE_OTHERS, REMEMBERED, ANEW };

static enum look
look_at(struct app *app, const struct call *call, enum manner how, struct arrival *out)
{
	const struct request *rq = call->rq;
	struct err e = ERR_INIT;
	struct sender from;

	out->call = *call;
	out->entry = server_cache_get(app, rq->args[0], how == ANEW, rq->deadline, &e);
	if (out->entry == NULL) {
		fail_at(app, rq, &e, call->rs);
		return LOOK_DONE;
	}
	/* to count what a user's own server brings takes a transaction: nobody waits for it */
	if (how == BESIDE_OTHERS && server_of_entry(out->entry)->guarded)
		return LOOK_LEFT;
	if (is_signed(server_of_entry(out->entry), rq, &from))
		return admit(app, rq, &from, &out->delivery, call->rs) ? LOOK_IN
								       : LOOK_DONE;
	if (how != ANEW)
		return LOOK_LEFT;
	refuse(app, rq, call->rs);
	return LOOK_DONE;
}

/* Returns how many calls are left unanswered, moved to the front: their signature fits no
 * secret known so far, or they are to be received alone. */
static size_t
receive_at(struct app *app, struct call *calls, size_t n, enum manner how)
{
	struct arrival in[RESPONDER_AT_ONCE];
	struct delivery *deliveries[RESPONDER_AT_ONCE] = {NULL};
	size_t nin = 0, left = 0;
	bool wake = false;

	for (size_t i = 0; i < n; i++) {
		enum look look;

		log_request_id(calls[i].rq->id);
		look = look_at(app, &calls[i], how, &in[nin]);
		if (look == LOOK_IN) {
			deliveries[nin] = &in[nin].delivery;
			nin++;
			continue;
		}
		server_cache_put(app->servers, in[nin].entry);
		if (look == LOOK_LEFT)
			calls[left++] = calls[i];
	}
	log_request_id(NULL);
	deliveries_store(app, deliveries, nin);
	for (size_t i = 0; i < nin; i++) {
		log_request_id(in[i].call.rq->id);
		if (!store_and_answer(app, &in[i].delivery, &wake, in[i].call.rs))
			calls[left++] = in[i].call;
		server_cache_put(app->servers, in[i].entry);
	}
	if (wake)
		pool_wake(app, deadline_in(WAKE_MS));
	return left;
}

/* The session a body names, copied; "" if it names none. What is read here is not
 * verified yet: it only serves to find the key to verify with. */
static void
peek_session(const struct request *rq, char *out, size_t size)
{
	json_t *body = request_json(rq, false, NULL);
	const struct gateway *gw;
	struct gateway_event ev;

	*out = '\0';
	for (size_t i = 0; body != NULL && (gw = gateway_at(i)) != NULL; i++)
		if (*out == '\0' && claims(gw, rq) &&
			gw->parse_webhook(body, &ev, NULL) && ev.session != NULL)
			snprintf(out, size, "%s", ev.session);
	json_decref(body);
}

/* Stores it if one of the candidates signed it. True if the request is answered. */
static bool
receive_from_any(struct app *app, const struct request *rq, const char *session,
	struct response *rs)
{
	struct server *servers[SERVERS_MAX];
	struct delivery delivery;
	struct sender from;
	bool found = false, wake = false;
	struct err e = ERR_INIT;
	size_t n;

	if (!servers_of_session(app, session, servers, &n, rq->deadline, &e)) {
		response_error(rs, rq, &e);
		return true;
	}
	for (size_t i = 0; i < n && !found; i++)
		found = is_signed(servers[i], rq, &from);
	if (found && admit(app, rq, &from, &delivery, rs) &&
		!store_and_answer(app, &delivery, &wake, rs))
		refuse_for_now(rq, rs);
	if (wake)
		pool_wake(app, deadline_in(WAKE_MS));
	for (size_t i = 0; i < n; i++)
		server_free(servers[i]);
	return found;
}

/* The platform's keys first, on the raw bytes; only if none fits is the body parsed, for the
 * session's name, which leads to a user's own server. */
static void
receive_anywhere(struct app *app, const struct request *rq, struct response *rs)
{
	char session[256];

	if (receive_from_any(app, rq, "", rs))
		return;
	peek_session(rq, session, sizeof(session));
	if (*session == '\0' || !receive_from_any(app, rq, session, rs))
		refuse(app, rq, rs);
}

static void
receive_alone(struct app *app, struct call *call)
{
	log_request_id(call->rq->id);
	if (*call->rq->args[0] == '\0')
		receive_anywhere(app, call->rq, call->rs);
	else if (receive_at(app, call, 1, REMEMBERED) > 0 &&
		receive_at(app, call, 1, ANEW) > 0)
		refuse_for_now(call->rq, call->rs);
}

/* False, and refused: unsigned, so that nothing is parsed and no key is looked for; or from no server
 * that there may be. */
static bool
is_plausible(struct app *app, const struct call *call)
{
	const char *id = call->rq->args[0];

	log_request_id(call->rq->id);
	if (anybody_claims(call->rq) && (*id == '\0' || uuid_valid(id)))
		return true;
	refuse(app, call->rq, call->rs);
	return false;
}

void
webhook_receive(struct app *app, struct call *calls, size_t n)
{
	struct call beside[RESPONDER_AT_ONCE], alone[RESPONDER_AT_ONCE];
	size_t nbeside = 0, nalone = 0, left;

	for (size_t i = 0; i < n; i++) {
		const struct request *rq = calls[i].rq;

		if (!is_plausible(app, &calls[i]))
			continue;
		if (*rq->args[0] != '\0' && rq->body.len <= SMALL)
			beside[nbeside++] = calls[i];
		else
			alone[nalone++] = calls[i];
	}
	left = nbeside > 1 ? receive_at(app, beside, nbeside, BESIDE_OTHERS) : nbeside;
	for (size_t i = 0; i < left; i++)
		receive_alone(app, &beside[i]);
	for (size_t i = 0; i < nalone; i++)
		receive_alone(app, &alone[i]);
}
