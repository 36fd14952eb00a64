#include "lib/deliver.h"

#include <stdio.h>
#include <string.h>

#include "lib/db.h"
#include "lib/event.h"
#include "lib/http.h"
#include "lib/log.h"
#include "lib/seal.h"
#include "lib/signature.h"

/* longer than any attempt: DELIVERY_TIMEOUT_MS is 30 s at most */
#define LEASE "60 seconds"
#define SLICE_MS 5000 /* of one lane, before others get their turn */
#define ANSWER_MAX 65536
#define BODY_MAX (4u << 20)
#define HEADER_MAX 300

static const struct db_stmt stmt_claim = {"lane_claim",
	"SELECT subscription_id, device_id, token, url, secret, former"
	" FROM lane_claim('" LEASE "', $1::int)",
	1};

static const struct db_stmt stmt_next = {"lane_next",
	"SELECT seq, 'evt_' || replace(id::text, '-', ''), type,"
	" rfc3339(at), data, attempts"
	" FROM lane_next($1, $2, $3, '" LEASE "')",
	3};

static const struct db_stmt stmt_leave = {"lane_leave",
	"SELECT lane_leave($1, $2, $3, $4::bigint * interval '1 millisecond')", 4};

static const struct db_stmt stmt_settle = {"delivery_settle",
	"SELECT delivery_settle($1, $2, $3, $4::bigint, $5, $6,"
	" $7::bigint * interval '1 millisecond',"
	" nullif($8::bigint, 0) * interval '1 millisecond', $9::boolean,"
	" $10::int * interval '1 hour')",
	10};

static const struct db_stmt stmt_due = {"lanes_due", "SELECT lanes_due($1::int)", 1};

enum { LANE_SUBSCRIPTION, LANE_DEVICE, LANE_TOKEN, LANE_URL, LANE_SECRET, LANE_FORMER };
enum { EV_SEQ, EV_ID, EV_TYPE, EV_AT, EV_DATA, EV_ATTEMPTS };

/* --- One attempt --- */

/* Opens one sealed secret and adds its signature. */
static bool
sign(struct app *app, const struct delivery *v, const char *column, const char *sealed,
	int64_t at, struct buf *header, struct err *e)
{
	struct buf secret;
	bool ok;

	buf_init(&secret, SIGNATURE_SECRET_SIZE * 2);
	ok = unseal(app->seal, "event_subscriptions", v->subscription, column, sealed,
		     &secret, e) &&
		signature_add(header, buf_str(&secret), v->id, at, v->body,
			strlen(v->body), e);
	seal_wipe(&secret);
	return ok;
}

/* A rotation moves the secret to another column: it opens where it was sealed. */
static bool
sign_all(struct app *app, const struct delivery *v, int64_t at, struct buf *header,
	struct err *e)
{
	if (sign(app, v, "secret", v->secret, at, header, e) &&
		(v->former == NULL || sign(app, v, "secret", v->former, at, header, e)))
		return true;
	e->code = ERR_CONFIG; /* whatever it was: ours, not the subscriber's */
	return false;
}

static bool
post(struct app *app, const struct delivery *v, int64_t at, const char *signature,
	deadline_t d, struct delivery_answer *a)
{
	char id[80], timestamp[48], signed_by[HEADER_MAX];
	const char *headers[] = {
		"Content-Type: application/json", id, timestamp, signed_by, NULL};
	const struct http_request rq = {.method = "POST",
		.url = v->url,
		.headers = headers,
		.body = v->body,
		.body_len = strlen(v->body),
		.max_answer = ANSWER_MAX,
		.guarded = true};
	struct http_answer answer;
	bool ok;

	snprintf(id, sizeof(id), "webhook-id: %s", v->id);
	snprintf(
		timestamp, sizeof(timestamp), "webhook-timestamp: %lld", (long long)at);
	snprintf(signed_by, sizeof(signed_by), "webhook-signature: %s", signature);
	ok = http_call(app->http, &rq, d, &answer, &a->err);
	if (!ok && a->err.code == ERR_TOO_LARGE && answer.status > 0) {
		err_clear(&a->err); /* its status counts, what it says does not */
		ok = true;
	}
	a->status = ok ? answer.status : 0;
	a->retry_after_s = answer.retry_after_s;
	a->duration_ms = answer.duration_us / 1000;
	http_answer_free(&answer);
	return ok;
}

bool
deliver_once(struct app *app, const struct delivery *v, deadline_t d,
	struct delivery_answer *a)
{
	int64_t at = clock_wall_ms() / 1000;
	struct buf signature;
	bool ok;

	*a = (struct delivery_answer){0};
	buf_init(&signature, HEADER_MAX - 32);
	ok = sign_all(app, v, at, &signature, &a->err) &&
		post(app, v, at, buf_str(&signature), d, a);
	buf_free(&signature);
	if (ok && (a->status < 200 || a->status > 299))
		ok = err_set(&a->err, ERR_PROTOCOL, "HTTP status %d", a->status);
	return ok;
}

/* --- What follows from a failure --- */

/* True if the whole webhook seems down or overloaded, and not one event refused. */
static bool
is_down(const struct delivery_answer *a)
{
	return a->status == 0 || a->status == 429 || a->status == 502 ||
		a->status == 503 || a->status == 504;
}

struct verdict
deliver_verdict(const struct delivery_answer *a, int n)
{
	/* seconds, of the specification's example: 75 hours and a half in all */
	static const int64_t schedule[DELIVER_ATTEMPTS - 1] = {
		5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400};
	struct verdict v = {.gone = a->status == 410, .park = n >= DELIVER_ATTEMPTS};
	int64_t base, most, asked;

	v.park = v.park || v.gone;
	if (v.park)
		return v;
	base = schedule[n > 0 ? n - 1 : 0] * 1000;
	most = 2 * base > 600000 ? 2 * base : 600000;
	if (a->status == 429 && base < 60000)
		base = 60000;
	v.wait_ms = base * 4 / 5 + clock_jitter((uint32_t)(base * 2 / 5));
	/* asked for more: granted within bounds, or a receiver could keep us for years */
	asked = a->retry_after_s < most / 1000 ? a->retry_after_s * 1000 : most;
	if (asked > v.wait_ms)
		v.wait_ms = asked;
	if (is_down(a))
		v.quiet_ms = v.wait_ms < 300000 ? v.wait_ms : 300000;
	return v;
}

/* --- A lane --- */

struct lane {
	struct app *app;
	PGresult *row;
};

static const char *
lane_text(const struct lane *l, int column)
{
	return db_text(l->row, 0, column);
}

static PGresult *
query(struct app *app, const struct db_stmt *s, const char *const *params)
{
	struct err e = ERR_INIT;
	PGresult *r = db_query(
		app->db, deadline_in(app->config.db_timeout_ms), s, params, &e);

	if (r == NULL)
		log_write(LOG_WARN, "deliver.database", LOG_STR("statement", s->name),
			LOG_STR("error", e.text));
	return r;
}

/* Leaves the lane to whoever comes after that time. */
static void
leave(const struct lane *l, int64_t wait_ms)
{
	char wait[DB_PARAM_SIZE];

	PQclear(query(l->app, &stmt_leave,
		(const char *[]){lane_text(l, LANE_SUBSCRIPTION),
			lane_text(l, LANE_DEVICE), lane_text(l, LANE_TOKEN),
			db_param_int(wait, wait_ms)}));
}

/* True if it was delivered and written down: the lane goes on. */
static bool
settle(const struct lane *l, const PGresult *ev, const struct delivery_answer *a,
	bool ok)
{
	char wait[DB_PARAM_SIZE], quiet[DB_PARAM_SIZE], hours[DB_PARAM_SIZE];
	struct verdict v = {0};
	const char *outcome;
	PGresult *r;
	bool goes_on;

	if (!ok)
		v = deliver_verdict(a, (int)db_int(ev, 0, EV_ATTEMPTS) + 1);
	r = query(l->app, &stmt_settle,
		(const char *[]){lane_text(l, LANE_SUBSCRIPTION),
			lane_text(l, LANE_DEVICE), lane_text(l, LANE_TOKEN),
			db_text(ev, 0, EV_SEQ),
			ok               ? "delivered"
				: v.park ? "parked"
					 : "pending",
			ok ? NULL : a->err.text, db_param_int(wait, v.wait_ms),
			db_param_int(quiet, v.quiet_ms), v.gone ? "true" : "false",
			db_param_int(hours, l->app->config.webhook_disable_after_h)});
	outcome = r != NULL ? db_text(r, 0, 0) : "unknown";
	goes_on = ok && strcmp(outcome, "settled") == 0;
	if (strcmp(outcome, "disabled") == 0)
		log_write(LOG_WARN, "webhook.disabled",
			LOG_STR("subscription", lane_text(l, LANE_SUBSCRIPTION)),
			LOG_STR("error", a->err.text));
	else if (strcmp(outcome, "settled") != 0)
		log_write(LOG_WARN, "deliver.lost",
			LOG_STR("event", db_text(ev, 0, EV_ID)),
			LOG_STR("outcome", outcome));
	PQclear(r);
	return goes_on;
}

/* Sends one event of the lane. True if the lane goes on. */
static bool
deliver_event(const struct lane *l, const PGresult *ev)
{
	struct delivery v = {.subscription = lane_text(l, LANE_SUBSCRIPTION),
		.url = lane_text(l, LANE_URL),
		.secret = lane_text(l, LANE_SECRET),
		.former = lane_text(l, LANE_FORMER),
		.id = db_text(ev, 0, EV_ID)};
	struct delivery_answer a;
	struct buf body;
	bool ok;

	buf_init(&body, BODY_MAX);
	event_body(&body, db_text(ev, 0, EV_TYPE), db_text(ev, 0, EV_AT),
		lane_text(l, LANE_DEVICE), db_text(ev, 0, EV_DATA));
	v.body = buf_str(&body);
	ok = deliver_once(
		l->app, &v, deadline_in(l->app->config.delivery_timeout_ms), &a);
	buf_free(&body);
	log_write(ok ? LOG_DEBUG : LOG_WARN, ok ? "deliver.done" : "deliver.failed",
		LOG_STR("event", v.id), LOG_STR("subscription", v.subscription),
		LOG_INT("attempt", db_int(ev, 0, EV_ATTEMPTS) + 1),
		LOG_INT("ms", a.duration_ms), LOG_STR("error", a.err.text));
	if (!ok && a.err.code == ERR_CONFIG) { /* our own fault: no attempt */
		leave(l, 60000);
		return false;
	}
	return settle(l, ev, &a, ok);
}

/* The next event of the lane. True if the lane goes on after it. */
static bool
deliver_next(const struct lane *l)
{
	PGresult *ev = query(l->app, &stmt_next,
		(const char *[]){lane_text(l, LANE_SUBSCRIPTION),
			lane_text(l, LANE_DEVICE), lane_text(l, LANE_TOKEN)});
	bool goes_on = ev != NULL && PQntuples(ev) > 0 && deliver_event(l, ev);

	PQclear(ev);
	return goes_on;
}

bool
deliver_lane(struct app *app, const struct work_side *side)
{
	deadline_t until = deadline_in(SLICE_MS);
	char each[DB_PARAM_SIZE]; /* lanes of one webhook at a time */
	struct lane l = {.app = app};
	bool goes_on;

	l.row = query(app, &stmt_claim,
		(const char *[]){db_param_int(each, (side->threads + 1) / 2)});
	if (l.row == NULL || PQntuples(l.row) == 0) {
		PQclear(l.row);
		return false;
	}
	do {
		goes_on = deliver_next(&l);
	} while (goes_on && deadline_left(until) > 0);
	if (goes_on)
		leave(&l, 0);
	PQclear(l.row);
	return true;
}

int
deliver_due(struct app *app, int most, deadline_t d, struct err *e)
{
	char limit[DB_PARAM_SIZE];
	PGresult *r = db_query(
		app->db, d, &stmt_due, (const char *[]){db_param_int(limit, most)}, e);
	int n = r != NULL ? (int)db_int(r, 0, 0) : -1;

	PQclear(r);
	return n;
}
