/* POST /api/auth/login: e-mail and password in, a bearer token out. */
#include <stdlib.h>
#include <string.h>

#include "lib/account.h"
#include "lib/jwt.h"
#include "lib/responder.h"

static void
answer_token(struct app *app, const struct request *rq, const struct user *u,
	struct response *rs)
{
	const struct config *c = &app->config;
	struct err e = ERR_INIT;
	char *token = jwt_issue_hs256(app->jwt, c->jwt_issuer, c->jwt_audience, u->id,
		u->email, u->admin, clock_wall_ms() / 1000, c->jwt_ttl_s, &e);

	if (token == NULL)
		response_error(rs, rq, &e);
	else
		response_json(rs, 200,
			json_pack("{s:b, s:s, s:i, s:{s:s, s:s, s:s}}", "success", 1,
				"token", token, "expiresIn", c->jwt_ttl_s, "user", "id",
				u->id, "email", u->email, "role",
				u->admin ? "admin" : "user"));
	free(token);
}

static void
login(struct app *app, struct request *rq, struct response *rs)
{
	struct err e = ERR_INIT;
	struct user u;
	json_t *body = request_json(rq, false, &e);
	const char *email = json_string_value(json_object_get(body, "email"));
	const char *password = json_string_value(json_object_get(body, "password"));

	if (*app->config.jwt_secret == '\0') /* somebody else issues the tokens */
		response_problem(rs, rq, PROBLEM_NOT_FOUND, NULL);
	else if (body == NULL)
		response_error(rs, rq, &e);
	else if (!account_email_valid(email))
		response_invalid(rs, rq, "/email", MSG_WANT_EMAIL);
	else if (password == NULL || *password == '\0')
		response_invalid(rs, rq, "/password", MSG_WANT_PASSWORD);
	else if (account_login(app, email, password, rq->deadline, &u, &e))
		answer_token(app, rq, &u, rs);
	else if (e.code == ERR_UNAUTHORIZED)
		response_problem(rs, rq, PROBLEM_BAD_LOGIN, NULL);
	else
		response_error(rs, rq, &e);
	json_decref(body);
}

static const struct route routes[] = {
	{"POST", "/api/auth/login", 4096, login},
	{NULL, NULL, 0, NULL},
};

int
main(int argc, char **argv)
{
	/* few threads: each hash takes tens of MiB and a core for a while */
	static const struct responder self = {.name = "auth-login",
		.threads = 2,
		.needs = APP_DB | APP_AUTH,
		.routes = routes};

	return responder_main(&self, argc, argv);
}
