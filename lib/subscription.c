#include "lib/subscription.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/db.h"
#include "lib/event.h"
#include "lib/seal.h"
#include "lib/uuid.h"

static const struct db_stmt stmt_find = {"subscription_find",
	"SELECT o.user_id, o.device_id, s.id, s.url, s.secret_sealed,"
	" CASE WHEN s.former_until > now() THEN s.former_sealed END,"
	" s.disabled_at IS NOT NULL,"
	" json_strip_nulls(json_build_object('deviceId', s.device_id, 'url', s.url,"
	" 'events', s.events, 'active', s.disabled_at IS NULL,"
	" 'disabledAt', rfc3339(s.disabled_at), 'disabledReason', s.disabled_reason,"
	" 'failingSince', rfc3339(s.failing_since), 'lastError', s.last_error,"
	" 'deliveredAt', rfc3339(s.delivered_at), 'formerSecretUntil',"
	" CASE WHEN s.former_until > now() THEN rfc3339(s.former_until) END,"
	" 'pending', (SELECT count(*) FROM deliveries d"
	" WHERE d.subscription_id = s.id AND d.state = 'pending'),"
	" 'parked', (SELECT count(*) FROM deliveries d"
	" WHERE d.subscription_id = s.id AND d.state = 'parked'),"
	" 'createdAt', rfc3339(s.created_at)))"
	" FROM (SELECT user_id, id AS device_id FROM devices"
	" WHERE id = $2 AND (user_id = $1 OR $3::boolean)"
	" UNION ALL SELECT $1::uuid, NULL WHERE $2::uuid IS NULL) o"
	" LEFT JOIN event_subscriptions s ON s.user_id = o.user_id"
	" AND s.device_id IS NOT DISTINCT FROM o.device_id",
	3};

static const struct db_stmt stmt_user = {
	"subscription_user", "SELECT ensure_user($1, $2)", 2};

static const struct db_stmt stmt_put = {"subscription_put",
	"SELECT subscription_put($1, $2, $3, $4,"
	" (SELECT array_agg(t) FROM json_array_elements_text($5::json) t), $6)",
	6};

static const struct db_stmt stmt_delete = {
	"subscription_delete", "DELETE FROM event_subscriptions WHERE id = $1", 1};

static const struct db_stmt stmt_rotate = {"subscription_rotate",
	"SELECT rfc3339(subscription_rotate($1, $2, '" SUBSCRIPTION_OVERLAP_H
	" hours'))",
	2};

static const struct db_stmt stmt_list = {"subscription_deliveries",
	"SELECT o.seq, json_strip_nulls(json_build_object("
	"'id', 'evt_' || replace(o.id::text, '-', ''),"
	" 'type', o.type, 'deviceId', o.device_id, 'state', d.state,"
	" 'attempts', d.attempts, 'createdAt', rfc3339(o.created_at),"
	" 'triedAt', rfc3339(d.tried_at), 'error', d.last_error))"
	" FROM deliveries d JOIN outbox o USING (seq)"
	" WHERE d.subscription_id = $1 AND ($2::text IS NULL OR d.state = $2)"
	" AND ($3::bigint IS NULL OR d.seq < $3::bigint)"
	" ORDER BY d.seq DESC LIMIT $4::int",
	4};

static const struct db_stmt stmt_replay = {
	"subscription_replay", "SELECT deliveries_replay($1, $2, 1000)", 2};

enum { USER, DEVICE, ID, URL, SECRET, FORMER, DISABLED, SHOWN };

/* A copy, NULL for SQL's NULL. */
static char *
copied(const PGresult *r, int column)
{
	const char *text = db_text(r, 0, column);

	return text != NULL ? strdup(text) : NULL;
}

bool
subscription_find(struct app *app, const struct user *u, const char *device,
	deadline_t d, struct subscription *out, struct err *e)
{
	PGresult *r = db_query(app->db, d, &stmt_find,
		(const char *[]){u->id, device, u->admin ? "true" : "false"}, e);
	const char *shown;

	*out = (struct subscription){0};
	if (r == NULL)
		return false;
	out->known = PQntuples(r) > 0;
	if (out->known) {
		db_copy(r, 0, USER, out->user_id, sizeof(out->user_id));
		db_copy(r, 0, DEVICE, out->device_id, sizeof(out->device_id));
		db_copy(r, 0, ID, out->id, sizeof(out->id));
	}
	if (*out->id != '\0') {
		shown = db_text(r, 0, SHOWN);
		out->url = copied(r, URL);
		out->secret = copied(r, SECRET);
		out->former = copied(r, FORMER);
		out->disabled = db_bool(r, 0, DISABLED);
		out->shown = json_loads(shown != NULL ? shown : "", 0, NULL);
	}
	PQclear(r);
	return *out->id == '\0' ||
		(out->url != NULL && out->secret != NULL && out->shown != NULL) ||
		err_set(e, ERR_NOMEM, "out of memory");
}

void
subscription_free(struct subscription *s)
{
	free(s->url);
	free(s->secret);
	free(s->former);
	json_decref(s->shown);
	*s = (struct subscription){0};
}

/* A new secret for the subscription of that id, clear and sealed. */
static bool
new_secret(struct app *app, const char *id, char clear[SIGNATURE_SECRET_SIZE],
	struct buf *sealed, struct err *e)
{
	signature_secret_new(clear);
	return seal(app->seal, "event_subscriptions", id, "secret", clear, sealed, e);
}

bool
subscription_put(struct app *app, const struct user *u, struct subscription *s,
	const char *url, const json_t *events, deadline_t d,
	char secret[SIGNATURE_SECRET_SIZE], struct err *e)
{
	char id[37];
	char *list = events != NULL ? json_dumps(events, JSON_COMPACT) : NULL;
	struct buf sealed;
	PGresult *r = NULL;
	bool ok, made;

	uuid_make(id);
	buf_init(&sealed, 1024);
	ok = new_secret(app, id, secret, &sealed, e);
	if (ok && *s->device_id == '\0') { /* a device has its user's row already */
		r = db_query(
			app->db, d, &stmt_user, (const char *[]){u->id, u->email}, e);
		ok = r != NULL;
		PQclear(r);
		r = NULL;
	}
	if (ok)
		r = db_query(app->db, d, &stmt_put,
			(const char *[]){s->user_id, db_param_text(s->device_id), id,
				url, list, buf_str(&sealed)},
			e);
	made = r != NULL && db_bool(r, 0, 0);
	if (!made)
		sodium_memzero(secret, SIGNATURE_SECRET_SIZE);
	ok = r != NULL;
	PQclear(r);
	buf_free(&sealed);
	free(list);
	return ok;
}

bool
subscription_delete(
	struct app *app, const struct subscription *s, deadline_t d, struct err *e)
{
	PGresult *r = db_query(app->db, d, &stmt_delete, (const char *[]){s->id}, e);
	bool ok = r != NULL;

	PQclear(r);
	return ok;
}

bool
subscription_rotate(struct app *app, const struct subscription *s, deadline_t d,
	char secret[SIGNATURE_SECRET_SIZE], char until[32], struct err *e)
{
	struct buf sealed;
	PGresult *r = NULL;
	bool ok;

	*until = '\0';
	buf_init(&sealed, 1024);
	if (new_secret(app, s->id, secret, &sealed, e))
		r = db_query(app->db, d, &stmt_rotate,
			(const char *[]){s->id, buf_str(&sealed)}, e);
	ok = r != NULL &&
		(db_text(r, 0, 0) != NULL ||
			err_set(e, ERR_NOT_FOUND, "deleted meanwhile"));
	if (ok)
		db_copy(r, 0, 0, until, 32);
	else
		sodium_memzero(secret, SIGNATURE_SECRET_SIZE);
	PQclear(r);
	buf_free(&sealed);
	return ok;
}

bool
subscription_test(struct app *app, const struct subscription *s, deadline_t d,
	struct delivery_answer *a)
{
	char id[48], uuid[37], at[32];
	struct delivery v = {.subscription = s->id,
		.url = s->url,
		.secret = s->secret,
		.former = s->former,
		.id = id};
	struct buf body;
	bool ok;

	uuid_make(uuid);
	snprintf(id, sizeof(id), "evt_test-%s", uuid);
	clock_rfc3339(clock_wall_ms(), at, sizeof(at));
	buf_init(&body, 1024);
	event_body(&body, "webhook.test", at,
		*s->device_id != '\0' ? s->device_id : NULL, "{}");
	v.body = buf_str(&body);
	ok = deliver_once(app, &v, d, a);
	buf_free(&body);
	return ok;
}

/* The first `limit` rows as an array; the one after them says that there are more. */
static json_t *
rows_of(const PGresult *r, int limit, char next[32], struct err *e)
{
	json_t *list = json_array();
	int n = PQntuples(r);

	for (int row = 0; list != NULL && row < n && row < limit; row++) {
		if (json_array_append_new(
			    list, json_loads(db_text(r, row, 1), 0, NULL)) == 0)
			continue;
		json_decref(list);
		list = NULL;
	}
	if (list == NULL)
		err_set(e, ERR_NOMEM, "out of memory");
	else if (n > limit)
		db_copy(r, limit - 1, 0, next, 32);
	return list;
}

json_t *
subscription_deliveries(struct app *app, const struct subscription *s,
	const struct delivery_query *q, deadline_t d, char next[32], struct err *e)
{
	char limit[DB_PARAM_SIZE];
	PGresult *r = db_query(app->db, d, &stmt_list,
		(const char *[]){s->id, db_param_text(q->state),
			db_param_text(q->cursor), db_param_int(limit, q->limit + 1)},
		e);
	json_t *list = NULL;

	*next = '\0';
	if (r != NULL)
		list = rows_of(r, q->limit, next, e);
	PQclear(r);
	return list;
}

bool
subscription_replay(struct app *app, const struct subscription *s, const char *event_id,
	deadline_t d, int *n, struct err *e)
{
	char uuid[37];
	PGresult *r;

	*n = 0;
	if (event_id != NULL && !event_uuid(event_id, uuid))
		return true;
	r = db_query(app->db, d, &stmt_replay,
		(const char *[]){s->id, event_id != NULL ? uuid : NULL}, e);
	if (r != NULL)
		*n = (int)db_int(r, 0, 0);
	PQclear(r);
	return r != NULL;
}
