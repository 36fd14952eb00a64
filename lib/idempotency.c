#include "lib/idempotency.h"

#include <stdio.h>
#include <string.h>

#include "lib/hmac.h"
#include "lib/log.h"
#include "lib/seal.h"

#define SEALED_MAX (2u * RESPONSE_MAX)

/* The first request of a key has it for as long as any request may take, and this. */
#define LOCK_SPARE_MS 1000

static const struct db_stmt stmt_begin = {"idempotency_begin",
	"SELECT outcome, token, status, body, retry_s"
	" FROM idempotency_begin($1, $2, $3, $4, $5,"
	" $6::int * interval '1 millisecond', $7::int, $8::int * interval '1 hour')",
	8};

static const struct db_stmt stmt_end = {
	"idempotency_end", "SELECT idempotency_end($1, $2, $3, $4, $5::int, $6)", 6};

static const struct db_stmt stmt_drop = {
	"idempotency_drop", "SELECT idempotency_drop($1, $2, $3, $4)", 4};

enum { OUTCOME, TOKEN, STATUS, BODY, RETRY_S };

/*
 * The draft wants a Structured Field string ("..." in quotes); many clients send the
 * bare text. Both are taken, as one and the same key. False if it is empty, too long
 * or not printable.
 */
static bool
read_key(const char *header, char out[IDEMPOTENCY_KEY_MAX + 1])
{
	size_t n = strlen(header);

	if (n >= 2 && header[0] == '"' && header[n - 1] == '"') {
		header++;
		n -= 2;
	}
	if (n == 0 || n > IDEMPOTENCY_KEY_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (header[i] < 0x21 || header[i] > 0x7e || header[i] == '"' ||
			header[i] == '\\')
			return false;
	memcpy(out, header, n);
	out[n] = '\0';
	return true;
}

/* What is stored of an answer: its body, sealed if this program can. NULL with *e. */
static const char *
body_to_store(struct app *app, const struct idempotency *id, const struct response *rs,
	struct buf *room, struct err *e)
{
	if (app->seal == NULL)
		return buf_str(&rs->body);
	return seal(app->seal, "idempotency_keys", id->token, "body",
		       buf_str(&rs->body), room, e)
		? buf_str(room)
		: NULL;
}

static void
replay(struct app *app, const struct request *rq, const PGresult *r,
	struct response *rs)
{
	const char *body = db_text(r, 0, BODY);
	int status = (int)db_int(r, 0, STATUS);
	struct err e = ERR_INIT;
	struct buf plain;

	buf_init(&plain, RESPONSE_MAX);
	if (body == NULL)
		body = "";
	if (app->seal != NULL && seal_is_sealed(body)) {
		body = unseal(app->seal, "idempotency_keys", db_text(r, 0, TOKEN),
			       "body", body, &plain, &e)
			? buf_str(&plain)
			: NULL;
	}
	if (body == NULL) {
		response_error(rs, rq, &e);
	} else {
		response_header(rs, "Idempotency-Replayed", "true");
		response_header(rs, "Cache-Control", "no-store");
		response_bytes(rs, status,
			status < 400 ? "application/json" : "application/problem+json",
			body, strlen(body));
	}
	seal_wipe(&plain);
}

static bool
answer_known(struct app *app, const struct request *rq, const PGresult *r,
	struct response *rs)
{
	const char *outcome = db_text(r, 0, OUTCOME);

	if (strcmp(outcome, "new") == 0)
		return true;
	if (strcmp(outcome, "busy") == 0) {
		response_problem(rs, rq, PROBLEM_IDEMPOTENCY_BUSY, NULL);
	} else if (strcmp(outcome, "mismatch") == 0) {
		response_problem(rs, rq, PROBLEM_IDEMPOTENCY_REUSE, NULL);
	} else if (strcmp(outcome, "full") == 0) {
		response_problem(rs, rq, PROBLEM_IDEMPOTENCY_FULL, NULL);
		response_header(rs, "Retry-After", db_text(r, 0, RETRY_S));
	} else {
		replay(app, rq, r, rs);
	}
	return false;
}

bool
idempotency_begin(struct app *app, const struct request *rq, const struct user *u,
	const char *route, struct idempotency *id, struct response *rs)
{
	const char *header = request_header(rq, "Idempotency-Key");
	char fingerprint[SHA256_HEX_SIZE], lock[DB_PARAM_SIZE], most[DB_PARAM_SIZE],
		ttl[DB_PARAM_SIZE];
	struct err e = ERR_INIT;
	PGresult *r;

	*id = (struct idempotency){0};
	if (header == NULL)
		return true;
	if (!read_key(header, id->key)) {
		response_problem(rs, rq, PROBLEM_IDEMPOTENCY_KEY, NULL);
		return false;
	}
	snprintf(id->user_id, sizeof(id->user_id), "%s", u->id);
	snprintf(id->route, sizeof(id->route), "%s", route);
	if (!sha256_hex(buf_str(&rq->body), rq->body.len, fingerprint)) {
		response_problem(rs, rq, PROBLEM_INTERNAL, NULL);
		return false;
	}
	r = db_query(app->db, rq->deadline, &stmt_begin,
		(const char *[]){u->id, u->email, route, id->key, fingerprint,
			db_param_int(
				lock, config_longest_ms(&app->config) + LOCK_SPARE_MS),
			db_param_int(most, app->config.idempotency_keys),
			db_param_int(ttl, app->config.idempotency_ttl_h)},
		&e);
	if (r == NULL) {
		response_error(rs, rq, &e);
		return false;
	}
	id->active = answer_known(app, rq, r, rs);
	if (id->active)
		db_copy(r, 0, TOKEN, id->token, sizeof(id->token));
	PQclear(r);
	return id->active;
}

bool
idempotency_store(struct app *app, struct db_conn *c, const struct idempotency *id,
	const struct response *rs, deadline_t d, struct err *e)
{
	char status[DB_PARAM_SIZE];
	PGresult *r = NULL;
	const char *body;
	struct buf room;

	if (!id->active)
		return true;
	buf_init(&room, SEALED_MAX);
	body = body_to_store(app, id, rs, &room, e);
	if (body != NULL)
		r = db_exec(c, d, &stmt_end,
			(const char *[]){id->user_id, id->route, id->key, id->token,
				db_param_int(status, rs->status), body},
			e);
	buf_free(&room);
	PQclear(r);
	return r != NULL;
}

void
idempotency_end(
	struct app *app, const struct idempotency *id, const struct response *rs)
{
	/* not the request's deadline: it has passed if the gateway was too slow */
	deadline_t d = deadline_in(app->config.db_timeout_ms);
	struct err e = ERR_INIT;
	bool final = rs->status < 500 && rs->status != 429;
	char status[DB_PARAM_SIZE];
	const char *body = "";
	PGresult *r = NULL;
	struct buf room;

	if (!id->active)
		return;
	buf_init(&room, SEALED_MAX);
	if (final)
		body = body_to_store(app, id, rs, &room, &e);
	/* stmt_drop takes the first four */
	if (body != NULL)
		r = db_query(app->db, d, final ? &stmt_end : &stmt_drop,
			(const char *[]){id->user_id, id->route, id->key, id->token,
				db_param_int(status, rs->status), body},
			&e);
	if (r == NULL) /* the key frees itself when its lock ends */
		log_write(LOG_WARN, "idempotency.end", LOG_STR("error", e.text));
	buf_free(&room);
	PQclear(r);
}
