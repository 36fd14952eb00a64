#include "lib/auth.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/db.h"
#include "lib/http.h"
#include "lib/jwt.h"
#include "lib/log.h"
#include "lib/share.h"
#include "lib/spent.h"

#define JWKS_LIFE_MS 600000 /* Supabase's edge caches its set for 10 minutes */
#define JWKS_RETRY_MS 60000 /* after a failure */
#define JWKS_AGAIN_MS 10000 /* between fetches for unknown keys: anybody can name one */
#define JWKS_FETCH_MS 3000

static const struct db_stmt stmt_active = {"auth_active", "SELECT active_user($1)", 1};

static bool
fetch_jwks(struct app *app, struct http_answer *a, struct err *e)
{
	const struct http_request rq = {.method = "GET",
		.url = app->config.jwks_url,
		.headers = (const char *const[]){"Accept: application/json", NULL},
		.max_answer = JWT_JWKS_MAX};

	if (!http_call(app->http, &rq, deadline_in(JWKS_FETCH_MS), a, e))
		return false;
	return a->status == 200 ||
		err_set(e, ERR_UNAVAILABLE, "JWKS_URL answered %d", a->status);
}

static void
refresh_jwks(struct app *app)
{
	struct err e = ERR_INIT;
	struct http_answer a;
	bool ok = fetch_jwks(app, &a, &e) &&
		jwt_keys_replace_json(app->jwt, buf_str(&a.body), a.body.len, &e);
	int64_t now = clock_ms();

	http_answer_free(&a);
	atomic_store(&app->jwks_due, now + (ok ? JWKS_LIFE_MS : JWKS_RETRY_MS));
	atomic_store(&app->jwks_again, now + (ok ? JWKS_AGAIN_MS : JWKS_RETRY_MS));
	if (!ok)
		log_write(LOG_WARN, "jwks.refresh", LOG_STR("error", e.text));
}

/* Fetches the set if it is due. One thread does; the others go on with what there is. */
static void
keep_jwks_fresh(struct app *app)
{
	if (*app->config.jwks_url == '\0' || clock_ms() < atomic_load(&app->jwks_due) ||
		pthread_mutex_trylock(&app->jwks_lock) != 0)
		return;
	if (clock_ms() >= atomic_load(&app->jwks_due))
		refresh_jwks(app);
	pthread_mutex_unlock(&app->jwks_lock);
}

/* Fetches the set because a token named a key that is not in it, if that may be. Who comes
 * while another's fetch is under way waits for it: at a change of keys many come at once. */
static void
look_for_key(struct app *app, deadline_t d)
{
	deadline_t until = deadline_min(d, deadline_in(JWKS_FETCH_MS));
	struct timespec ts = {
		.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};

	if (*app->config.jwks_url == '\0' ||
		pthread_mutex_clocklock(&app->jwks_lock, CLOCK_MONOTONIC, &ts) != 0)
		return;
	if (clock_ms() >= atomic_load(&app->jwks_again))
		refresh_jwks(app);
	pthread_mutex_unlock(&app->jwks_lock);
}

static bool
open_jwks(struct app *app, struct err *e)
{
	struct http_answer a;

	if (*app->config.jwks_file != '\0') {
		app->jwt = jwt_keys_jwks_file(app->config.jwks_file, e);
		return app->jwt != NULL;
	}
	if (fetch_jwks(app, &a, e))
		app->jwt = jwt_keys_jwks_json(buf_str(&a.body), a.body.len, e);
	http_answer_free(&a);
	atomic_store(&app->jwks_again, clock_ms() + JWKS_AGAIN_MS);
	atomic_store(&app->jwks_due, clock_ms() + JWKS_LIFE_MS);
	return app->jwt != NULL;
}

bool
auth_open(struct app *app, struct err *e)
{
	const struct config *c = &app->config;

	pthread_mutex_init(&app->jwks_lock, NULL);
	if (*c->jwt_secret == '\0' && *c->jwks_file == '\0' && *c->jwks_url == '\0')
		return err_set(
			e, ERR_CONFIG, "JWT_SECRET, JWKS_FILE or JWKS_URL must be set");
	if (*c->jwt_secret != '\0' && (*c->jwks_file != '\0' || *c->jwks_url != '\0'))
		return err_set(
			e, ERR_CONFIG, "JWT_SECRET and JWKS_* exclude each other");
	if (*c->jwt_secret == '\0')
		return open_jwks(app, e);
	app->jwt = jwt_keys_hs256(c->jwt_secret, e);
	return app->jwt != NULL;
}

/* The token of "Bearer <token>" (RFC 6750 section 2.1), or NULL. */
static const char *
bearer(const struct request *rq)
{
	const char *h = request_header(rq, "Authorization");

	if (h == NULL || strncasecmp(h, "Bearer ", 7) != 0)
		return NULL;
	for (h += 7; *h == ' '; h++)
		;
	return *h != '\0' ? h : NULL;
}

/* Who the token speaks for. */
static bool
verify(struct app *app, const char *token, deadline_t d, struct jwt_claims *out,
	struct err *e)
{
	const struct jwt_rules rules = {.issuer = app->config.jwt_issuer,
		.audience = app->config.jwt_audience,
		.leeway_s = 30};
	int64_t began;
	bool ok;

	keep_jwks_fresh(app);
	began = clock_us();
	ok = jwt_verify(app->jwt, &rules, token, clock_wall_ms() / 1000, out, e);
	spent_since(SPENT_AUTH, began);
	if (ok || strcmp(e->cause, "kid") != 0)
		return ok;
	look_for_key(app, d);
	err_clear(e);
	return jwt_verify(app->jwt, &rules, token, clock_wall_ms() / 1000, out, e);
}

bool
auth_token(struct app *app, const struct request *rq, struct user *out,
	struct response *rs)
{
	const char *token = bearer(rq);
	struct jwt_claims claims;
	struct err e = ERR_INIT;
	bool ok = false;

	*out = (struct user){0};
	if (token == NULL)
		err_set(&e, ERR_UNAUTHORIZED, "no bearer token");
	else
		ok = verify(app, token, rq->deadline, &claims, &e);
	if (!ok) {
		log_write(LOG_INFO, "auth.refused", LOG_STR("reason", e.text));
		if (e.code == ERR_UNAUTHORIZED)
			response_problem(rs, rq, PROBLEM_UNAUTHORIZED, NULL);
		else
			response_error(rs, rq, &e);
		return false;
	}
	if (!share_take(app->share, rq->turn, claims.sub)) {
		response_problem(rs, rq, PROBLEM_TOO_MANY, NULL);
		return false;
	}
	snprintf(out->id, sizeof(out->id), "%s", claims.sub);
	snprintf(out->email, sizeof(out->email), "%s", claims.email);
	out->admin = claims.is_admin;
	out->expires = claims.exp;
	return true;
}

bool
auth_user(struct app *app, const struct request *rq, struct user *out,
	struct response *rs)
{
	struct err e = ERR_INIT;
	PGresult *r;

	if (!auth_token(app, rq, out, rs))
		return false;
	r = db_query(
		app->db, rq->deadline, &stmt_active, (const char *[]){out->id}, &e);
	if (r == NULL) {
		*out = (struct user){0};
		response_error(rs, rq, &e);
	}
	PQclear(r);
	return r != NULL;
}

bool
auth_admin(struct app *app, const struct request *rq, struct user *out,
	struct response *rs)
{
	if (!auth_user(app, rq, out, rs))
		return false;
	if (!out->admin)
		response_problem(rs, rq, PROBLEM_FORBIDDEN, NULL);
	return out->admin;
}
