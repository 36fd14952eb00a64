#include "lib/server.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/rate.h"
#include "lib/seal.h"
#include "lib/server-int.h"
#include "lib/utf8.h"

#define SECRET_MAX 4096

static const struct db_stmt stmt_load = {"server_load",
	"SELECT " SERVER_COLUMNS " FROM waha_servers s WHERE s.id = $1", 1};

static const struct db_stmt stmt_of_session = {"server_of_session",
	"SELECT " SERVER_COLUMNS " FROM waha_servers s"
	" WHERE s.user_id IS NULL"
	" OR s.id IN (SELECT server_id FROM instances WHERE name = $1 LIMIT 20)"
	" ORDER BY s.user_id IS NULL AND EXISTS (SELECT FROM instances i"
	"  WHERE i.server_id = s.id AND i.name = $1) DESC,"
	" (s.user_id IS NULL), s.id LIMIT 20",
	1};

static const struct db_stmt stmt_platform = {"server_platform",
	"SELECT " SERVER_COLUMNS " FROM waha_servers s"
	" WHERE s.user_id IS NULL AND s.api_url = $1 AND s.max_sessions = $2::int"
	" AND s.kind = $3",
	3};

static const struct db_stmt stmt_ensure = {"server_ensure",
	"INSERT INTO waha_servers AS s"
	" (user_id, nome, api_url, prioridade, max_sessions, rate_limit, kind)"
	" VALUES (NULL, $4, $1, 5, $2, 0, $3)"
	" ON CONFLICT ON CONSTRAINT waha_servers_user_id_api_url_key DO UPDATE"
	" SET max_sessions = excluded.max_sessions, kind = excluded.kind"
	" RETURNING " SERVER_COLUMNS,
	4};

static const struct db_stmt stmt_unsealed = {"server_unsealed",
	"SELECT " SERVER_COLUMNS " FROM waha_servers s"
	" WHERE nullif(s.api_key, '') IS NOT NULL"
	" OR nullif(s.webhook_secret, '') IS NOT NULL"
	" OR s.webhook_secret_sealed IS NULL LIMIT 100",
	0};

/* Only if the row still says what was sealed: a hand may have written it again. */
static const struct db_stmt stmt_seal_key = {"server_seal_key",
	"UPDATE waha_servers SET api_key_sealed = $2, api_key = NULL,"
	" updated_at = now()"
	" WHERE id = $1 AND api_key IS NOT DISTINCT FROM $3",
	3};

static const struct db_stmt stmt_seal_secret = {"server_seal_secret",
	"UPDATE waha_servers SET webhook_secret_sealed = $2, webhook_secret = NULL,"
	" updated_at = now()"
	" WHERE id = $1 AND webhook_secret IS NOT DISTINCT FROM $3"
	" AND webhook_secret_sealed IS NOT DISTINCT FROM $4",
	4};

/* Columns of SERVER_COLUMNS (server-int.h), in its order. */
enum {
	ID,
	KIND,
	URL,
	KEY,
	KEY_SEALED,
	SECRET,
	SECRET_SEALED,
	TIMEOUT,
	POOL_ID,
	VERSION,
	RETRIES,
	GUARDED,
	RATE_LIMIT,
	FORMER_SEALED,
	SECRET_MARK,
	PRESENT_MARK,
	FORMER_MARK
};

static void
wipe(char *secret)
{
	if (secret != NULL)
		sodium_memzero(secret, strlen(secret));
	free(secret);
}

void
server_free(struct server *s)
{
	if (s == NULL)
		return;
	wipe(s->key);
	wipe(s->webhook_secret);
	wipe(s->former_secret);
	free(s->admit_ctx);
	free(s->url);
	free(s->webhook_url);
	free(s);
}

/* The clear text if a hand wrote one, else the sealed one opened, else "". */
static char *
open_secret(struct app *app, const char *id, const char *column, const char *clear,
	const char *sealed, struct err *e)
{
	struct buf out;
	char *text;

	if (clear != NULL && *clear != '\0')
		return strdup(clear);
	if (sealed == NULL || *sealed == '\0')
		return strdup("");
	buf_init(&out, SECRET_MAX);
	if (!unseal(app->seal, "waha_servers", id, column, sealed, &out, e)) {
		seal_wipe(&out);
		return NULL;
	}
	text = strdup(buf_str(&out));
	seal_wipe(&out);
	return text;
}

/* The length of a URL without the slashes at its end. */
static size_t
trimmed_length(const char *url)
{
	size_t n = strlen(url);

	while (n > 0 && url[n - 1] == '/')
		n--;
	return n;
}

static char *
trimmed(const char *url)
{
	return strndup(url, trimmed_length(url));
}

static char *
webhook_url(const struct app *app, const char *id)
{
	const char *base = app->config.public_url;
	struct buf url;

	if (*base == '\0')
		return strdup("");
	buf_init(&url, 2048);
	buf_add(&url, base, trimmed_length(base));
	buf_printf(&url, "/webhook/%s", id);
	return buf_steal(&url);
}

/* Only a server that has a limit pays for asking. */
static bool
limit_rate(struct app *app, struct server *s, int64_t limit)
{
	struct rate *r;

	if (limit == 0)
		return true;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return false;
	r->db = app->db;
	r->patient = app->patient;
	snprintf(r->server_id, sizeof(r->server_id), "%s", s->id);
	s->admit = rate_admit;
	s->admit_ctx = r;
	return true;
}

struct server *
server_of_row(struct app *app, const PGresult *r, int row, int first, struct err *e)
{
	struct server *s = calloc(1, sizeof(*s));
	const char *id = db_text(r, row, first + ID);

	if (s == NULL)
		goto fail;
	db_copy(r, row, first + ID, s->id, sizeof(s->id));
	db_copy(r, row, first + KIND, s->kind, sizeof(s->kind));
	db_copy(r, row, first + POOL_ID, s->pool_id, sizeof(s->pool_id));
	db_copy(r, row, first + SECRET_MARK, s->secret_mark, sizeof(s->secret_mark));
	db_copy(r, row, first + PRESENT_MARK, s->present_mark, sizeof(s->present_mark));
	db_copy(r, row, first + FORMER_MARK, s->former_mark, sizeof(s->former_mark));
	utf8_copy(s->version, sizeof(s->version), db_text(r, row, first + VERSION));
	s->retries = (int)db_int(r, row, first + RETRIES);
	s->timeout_ms = (int)db_int(r, row, first + TIMEOUT) * 1000;
	if (s->timeout_ms > app->config.gateway_timeout_ms)
		s->timeout_ms = app->config.gateway_timeout_ms;
	s->guarded = db_bool(r, row, first + GUARDED);
	s->url = trimmed(db_text(r, row, first + URL));
	s->webhook_url = webhook_url(app, id);
	s->key = open_secret(app, id, "api_key", db_text(r, row, first + KEY),
		db_text(r, row, first + KEY_SEALED), e);
	s->webhook_secret =
		open_secret(app, id, "webhook_secret", db_text(r, row, first + SECRET),
			db_text(r, row, first + SECRET_SEALED), e);
	/* one whose key has gone is of no use, and no harm */
	s->former_secret = open_secret(app, id, "webhook_secret", NULL,
		db_text(r, row, first + FORMER_SEALED), NULL);
	if (!limit_rate(app, s, db_int(r, row, first + RATE_LIMIT)) || s->url == NULL ||
		s->webhook_url == NULL || s->key == NULL || s->webhook_secret == NULL)
		goto fail;
	if (gateway_of(s->kind) == NULL) {
		err_set(e, ERR_CONFIG, "no driver for gateways of kind %s", s->kind);
		goto fail;
	}
	return s;
fail:
	err_set(e, ERR_NOMEM, "out of memory");
	server_free(s);
	return NULL;
}

struct server *
server_load(struct app *app, const char *id, deadline_t d, struct err *e)
{
	PGresult *r = db_query(app->db, d, &stmt_load, (const char *[]){id}, e);
	struct server *s = NULL;

	if (r != NULL && PQntuples(r) == 0)
		err_set(e, ERR_NOT_FOUND, "no such server");
	else if (r != NULL)
		s = server_of_row(app, r, 0, 0, e);
	PQclear(r);
	return s;
}

bool
servers_of_session(struct app *app, const char *session,
	struct server *out[SERVERS_MAX], size_t *n, deadline_t d, struct err *e)
{
	PGresult *r =
		db_query(app->db, d, &stmt_of_session, (const char *[]){session}, e);
	struct err why;

	*n = 0;
	if (r == NULL)
		return false;
	for (int row = 0; row < PQntuples(r) && *n < SERVERS_MAX; row++) {
		err_clear(&why);
		out[*n] = server_of_row(app, r, row, 0, &why);
		if (out[*n] != NULL)
			(*n)++;
		else
			log_write(LOG_ERROR, "server.unusable",
				LOG_STR("server", db_text(r, row, ID)),
				LOG_STR("error", why.text));
	}
	PQclear(r);
	return true;
}

const struct gateway *
server_gateway(const struct server *s)
{
	return gateway_of(s->kind);
}

/* Seals `clear` and writes it with that statement, which is fenced by what it replaces
 * (a statement with fewer parameters takes the first ones). */
static bool
store_sealed(struct app *app, const struct db_stmt *stmt, const char *id,
	const char *column, const char *clear, const char *was_clear,
	const char *was_sealed, deadline_t d, struct err *e)
{
	struct buf sealed;
	PGresult *r = NULL;

	buf_init(&sealed, 2 * SECRET_MAX);
	if (seal(app->seal, "waha_servers", id, column, clear, &sealed, e))
		r = db_query(app->db, d, stmt,
			(const char *[]){id, buf_str(&sealed), was_clear, was_sealed},
			e);
	buf_free(&sealed);
	PQclear(r);
	return r != NULL;
}

static bool
seal_secret(struct app *app, const PGresult *r, int row, deadline_t d, struct err *e)
{
	const char *clear = db_text(r, row, SECRET),
		   *sealed = db_text(r, row, SECRET_SEALED);
	unsigned char random[32];
	char hex[65];

	if (clear != NULL && *clear != '\0')
		return store_sealed(app, &stmt_seal_secret, db_text(r, row, ID),
			"webhook_secret", clear, clear, sealed, d, e);
	if (sealed != NULL)
		return true;
	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(hex, sizeof(hex), random, sizeof(random));
	return store_sealed(app, &stmt_seal_secret, db_text(r, row, ID),
		"webhook_secret", hex, clear, sealed, d, e);
}

static bool
seal_row(struct app *app, const PGresult *r, int row, deadline_t d, struct err *e)
{
	const char *key = db_text(r, row, KEY);

	if (key != NULL && *key != '\0' &&
		!store_sealed(app, &stmt_seal_key, db_text(r, row, ID), "api_key", key,
			key, NULL, d, e))
		return false;
	return seal_secret(app, r, row, d, e);
}

bool
servers_seal(struct app *app, size_t *n, deadline_t d, struct err *e)
{
	PGresult *r = db_query(app->db, d, &stmt_unsealed, NULL, e);
	bool ok = r != NULL;

	for (int row = 0; ok && row < PQntuples(r); row++) {
		ok = seal_row(app, r, row, d, e);
		*n += ok;
	}
	PQclear(r);
	return ok;
}

/* True if what the row holds is what the environment wants. */
static bool
is_same(struct app *app, const PGresult *r, int clear, int sealed, const char *column,
	const char *want)
{
	char *have = open_secret(app, db_text(r, 0, ID), column, db_text(r, 0, clear),
		db_text(r, 0, sealed), NULL);
	bool same = have != NULL && strcmp(have, want) == 0;

	wipe(have);
	return same;
}

static bool
ensure_secrets(struct app *app, const PGresult *r, const char *key, deadline_t d,
	struct err *e)
{
	const struct config *c = &app->config;
	const char *id = db_text(r, 0, ID);

	if (!is_same(app, r, KEY, KEY_SEALED, "api_key", key) &&
		!store_sealed(app, &stmt_seal_key, id, "api_key", key,
			db_text(r, 0, KEY), NULL, d, e))
		return false;
	if (*c->webhook_secret == '\0')
		return seal_secret(app, r, 0, d, e);
	return is_same(app, r, SECRET, SECRET_SEALED, "webhook_secret",
		       c->webhook_secret) ||
		store_sealed(app, &stmt_seal_secret, id, "webhook_secret",
			c->webhook_secret, db_text(r, 0, SECRET),
			db_text(r, 0, SECRET_SEALED), d, e);
}

/* A server of the platform that the environment names. */
struct named {
	const char *kind, *nome, *url, *key;
	int max_sessions;
};

static bool
ensure_named(struct app *app, const struct named *n, deadline_t d, struct err *e)
{
	char max[DB_PARAM_SIZE];
	char *url;
	PGresult *r;
	bool ok;

	if (*n->url == '\0')
		return true;
	url = trimmed(n->url);
	if (url == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	db_param_int(max, n->max_sessions);
	/* looked for first: a row that is as it should be is not written every time */
	r = db_query(
		app->db, d, &stmt_platform, (const char *[]){url, max, n->kind}, e);
	if (r != NULL && PQntuples(r) == 0) {
		PQclear(r);
		r = db_query(app->db, d, &stmt_ensure,
			(const char *[]){url, max, n->kind, n->nome}, e);
	}
	ok = r != NULL && ensure_secrets(app, r, n->key, d, e);
	PQclear(r);
	free(url);
	return ok;
}

bool
server_ensure_platform(struct app *app, deadline_t d, struct err *e)
{
	const struct config *c = &app->config;

	return ensure_named(app,
		       &(struct named){"waha", "WAHA", c->waha_url, c->waha_api_key,
			       c->waha_max_sessions},
		       d, e) &&
		ensure_named(app,
			&(struct named){"evolution", "Evolution", c->evolution_api_url,
				c->evolution_api_key, c->evolution_max_sessions},
			d, e);
}
