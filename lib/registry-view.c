/* A server as its owner sees it. */
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/registry-int.h"
#include "lib/seal.h"

#define KEY_MAX 4096
#define SHOWN 4     /* characters of a key */
#define LONG_KEY 12 /* from this length: of a shorter one they would say too much */

enum type { TEXT, NUMBER, TRUTH };

static const struct {
	const char *name;
	int column;
	enum type type;
} members[] = {
	{"id", COL_ID, TEXT},
	{"user_id", COL_USER_ID, TEXT},
	{"nome", COL_NOME, TEXT},
	{"api_url", COL_API_URL, TEXT},
	{"descricao", COL_DESCRICAO, TEXT},
	{"ativo", COL_ATIVO, TRUTH},
	{"webhook_url", COL_WEBHOOK_URL, TEXT},
	{"timeout", COL_TIMEOUT, NUMBER},
	{"retry_attempts", COL_RETRY, NUMBER},
	{"rate_limit", COL_RATE, NUMBER},
	{"prioridade", COL_PRIORITY, NUMBER},
	{"max_sessions", COL_MAX, NUMBER},
	{"sessions_ativas", COL_SESSIONS, NUMBER},
	{"kind", COL_KIND, TEXT},
	{"health", COL_HEALTH, TEXT},
	{"health_reason", COL_HEALTH_REASON, TEXT},
	{"version", COL_VERSION, TEXT},
	{"checked_at", COL_CHECKED_AT, TEXT},
	{"draining", COL_DRAINING, TRUTH},
	{"removing", COL_REMOVING, TRUTH},
	{"webhook_secret_set", COL_HAS_SECRET, TRUTH},
	{"created_at", COL_CREATED_AT, TEXT},
	{"updated_at", COL_UPDATED_AT, TEXT},
};

/* "****" and the end of the key; null if there is none. */
static json_t *
mask(const char *key)
{
	char shown[SHOWN + 5] = "****";
	size_t n = strlen(key);
	json_t *v;

	if (n == 0)
		return json_null();
	if (n >= LONG_KEY)
		memcpy(shown + 4, key + n - SHOWN, SHOWN);
	v = json_string(shown); /* NULL if a hand wrote half a character there */
	return v != NULL ? v : json_string("****");
}

static json_t *
key_of_row(struct app *app, const PGresult *r, int row)
{
	const char *clear = db_text(r, row, COL_KEY),
		   *sealed = db_text(r, row, COL_KEY_SEALED);
	struct err why = ERR_INIT;
	struct buf key;
	json_t *v;

	if (clear != NULL && *clear != '\0')
		return mask(clear);
	if (sealed == NULL || *sealed == '\0')
		return json_null();
	buf_init(&key, KEY_MAX);
	if (unseal(app->seal, "waha_servers", db_text(r, row, COL_ID), "api_key",
		    sealed, &key, &why)) {
		v = mask(buf_str(&key));
	} else { /* it is there, and cannot be used: the look at the server says so too */
		log_write(LOG_ERROR, "server.unusable",
			LOG_STR("server", db_text(r, row, COL_ID)),
			LOG_STR("error", why.text));
		v = json_string("****");
	}
	seal_wipe(&key);
	return v;
}

static json_t *
value_of(const PGresult *r, int row, int column, enum type type)
{
	const char *text = db_text(r, row, column);

	if (text == NULL)
		return json_null();
	if (type == NUMBER)
		return json_integer(db_int(r, row, column));
	if (type == TRUTH)
		return json_boolean(db_bool(r, row, column));
	return json_string(text);
}

json_t *
registry_row_json(struct app *app, const PGresult *r, int row)
{
	json_t *o = json_object();
	bool ok = o != NULL;

	for (size_t i = 0; ok && i < sizeof(members) / sizeof(members[0]); i++)
		ok = json_object_set_new(o, members[i].name,
			     value_of(r, row, members[i].column, members[i].type)) == 0;
	if (ok && json_object_set_new(o, "api_key", key_of_row(app, r, row)) == 0)
		return o;
	json_decref(o);
	return NULL;
}
