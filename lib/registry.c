#include "lib/registry.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/registry-int.h"
#include "lib/seal.h"
#include "lib/utf8.h"
#include "lib/uuid.h"

#define SEALED_MAX 8192

static const struct db_stmt stmt_get = {"registry_get",
	"SELECT " REGISTRY_COLUMNS " FROM waha_servers s"
	" WHERE s.id = $1 AND ($3::boolean OR s.user_id = $2::uuid)",
	3};

static const struct db_stmt stmt_list = {"registry_list",
	"SELECT " REGISTRY_COLUMNS " FROM waha_servers s"
	" WHERE ($2::boolean OR s.user_id = $1::uuid)"
	" AND ($3::boolean IS NULL OR s.ativo = $3::boolean)"
	" AND ($4::text IS NULL OR s.kind = $4)"
	" AND ($5::text IS NULL OR s.health = $5)"
	" AND ($6::text IS NULL OR coalesce(s.user_id::text, 'platform') = lower($6))"
	" AND ($7::text IS NULL"
	" OR strpos(lower(s.nome || ' ' || s.api_url), lower($7)) > 0)"
	" AND ($8::int IS NULL"
	" OR (-s.prioridade, s.nome, s.id) > (-$8::int, $9, $10::uuid))"
	" ORDER BY -s.prioridade, s.nome, s.id LIMIT $11::int",
	11};

static const struct db_stmt stmt_room = {"registry_room",
	"SELECT ensure_user($1::uuid, $2), server_room($1::uuid, $3::int)", 3};

static const struct db_stmt stmt_add = {"registry_add",
	"INSERT INTO waha_servers AS s (nome, api_url, descricao, ativo, webhook_url,"
	" timeout, retry_attempts, rate_limit, prioridade, max_sessions, kind,"
	" api_key_sealed, webhook_secret_sealed, id, user_id)"
	" VALUES ($1, $2, $3, $4::boolean, $5, $6::int, $7::int, $8::int, $9::int,"
	" $10::int, $11, $12, $13, $14::uuid, $15::uuid)"
	" RETURNING " REGISTRY_COLUMNS,
	15};

static const struct db_stmt stmt_change = {"registry_change",
	"UPDATE waha_servers s SET nome = $1, api_url = $2, descricao = $3,"
	" ativo = $4::boolean, webhook_url = $5, timeout = $6::int,"
	" retry_attempts = $7::int, rate_limit = $8::int, prioridade = $9::int,"
	" max_sessions = $10::int, kind = $11,"
	" api_key = CASE WHEN $16::boolean THEN NULL ELSE s.api_key END,"
	" api_key_sealed = CASE WHEN $16::boolean THEN $12 ELSE s.api_key_sealed END,"
	" webhook_secret = CASE WHEN $17::boolean THEN NULL ELSE s.webhook_secret END,"
	" webhook_secret_sealed ="
	" CASE WHEN $17::boolean THEN $13 ELSE s.webhook_secret_sealed END,"
	" health = CASE WHEN $16::boolean THEN 'unknown' ELSE s.health END,"
	" check_next_at = CASE WHEN $16::boolean THEN now() ELSE s.check_next_at END,"
	" revision = s.revision + 1, updated_at = now()"
	" WHERE s.id = $14::uuid AND s.revision = $15::bigint"
	" RETURNING " REGISTRY_COLUMNS,
	17};

static const struct db_stmt stmt_ativo = {"registry_ativo",
	"UPDATE waha_servers s SET ativo = $4::boolean, updated_at = now(),"
	" draining_at = CASE WHEN $4::boolean THEN NULL ELSE s.draining_at END,"
	" removing_at = CASE WHEN $4::boolean THEN NULL ELSE s.removing_at END"
	" WHERE s.id = $1 AND ($3::boolean OR s.user_id = $2::uuid)"
	" RETURNING " REGISTRY_COLUMNS,
	4};

static const struct db_stmt stmt_drain = {"registry_drain",
	"SELECT server_drain(s.id) FROM waha_servers s"
	" WHERE s.id = $1 AND ($3::boolean OR s.user_id = $2::uuid)",
	3};

static const struct db_stmt stmt_remove = {"registry_remove",
	"SELECT registry_remove($1, $2, $3::boolean, $4::bigint, $5::boolean)", 5};

static const struct db_stmt stmt_sweep = {
	"registry_sweep", "SELECT registry_sweep()", 0};

static const char *
truth(bool b)
{
	return b ? "true" : "false";
}

static bool
view_of_row(struct app *app, const PGresult *r, int row, struct registry_view *out,
	struct err *e)
{
	db_copy(r, row, COL_ID, out->id, sizeof(out->id));
	out->revision = db_int(r, row, COL_REVISION);
	out->body = registry_row_json(app, r, row);
	return out->body != NULL || err_set(e, ERR_NOMEM, "out of memory");
}

static bool
has_text(const PGresult *r, int column)
{
	const char *text = db_text(r, 0, column);

	return text != NULL && *text != '\0';
}

/* The fields as they stand, to write a change over. */
static bool
entry_of_row(const PGresult *r, struct registry_entry *entry, struct err *e)
{
	for (int i = 0; i < REGISTRY_KEY; i++) {
		const char *text = db_text(r, 0, COL_NOME + i);

		entry->value[i] = text != NULL ? strdup(text) : NULL;
		if (text != NULL && entry->value[i] == NULL)
			return err_set(e, ERR_NOMEM, "out of memory");
	}
	db_copy(r, 0, COL_USER_ID, entry->owner, sizeof(entry->owner));
	entry->stored[REGISTRY_KEY] =
		has_text(r, COL_KEY) || has_text(r, COL_KEY_SEALED);
	entry->stored[REGISTRY_SECRET] = db_bool(r, 0, COL_HAS_SECRET);
	return true;
}

bool
registry_get(struct app *app, const struct user *u, const char *id,
	struct registry_entry *entry, struct registry_view *out, deadline_t d,
	struct err *e)
{
	PGresult *r;
	bool ok = false;

	*out = (struct registry_view){0};
	if (entry != NULL)
		*entry = (struct registry_entry){0};
	if (!uuid_valid(id))
		return err_set(e, ERR_NOT_FOUND, "no such server");
	r = db_query(
		app->db, d, &stmt_get, (const char *[]){id, u->id, truth(u->admin)}, e);
	if (r != NULL && PQntuples(r) == 0)
		err_set(e, ERR_NOT_FOUND, "no such server");
	else if (r != NULL)
		ok = (entry == NULL || entry_of_row(r, entry, e)) &&
			view_of_row(app, r, 0, out, e);
	PQclear(r);
	return ok;
}

/* --- pages */

/* Where a page ended: "priority id nome", in base64url. */
struct position {
	char plain[1200];
	const char *priority, *id, *nome;
};

static bool
position_of(const char *cursor, struct position *p)
{
	size_t n;

	*p = (struct position){0};
	if (sodium_base642bin((unsigned char *)p->plain, sizeof(p->plain) - 1, cursor,
		    strlen(cursor), NULL, &n, NULL,
		    sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
		return false;
	/* a digit or 10, a blank, an id, a blank, the rest */
	for (size_t at = 1; at <= 2; at++) {
		if (n < at + 39 || p->plain[at] != ' ' || p->plain[at + 37] != ' ')
			continue;
		p->plain[at] = p->plain[at + 37] = '\0';
		p->priority = p->plain;
		p->id = p->plain + at + 1;
		p->nome = p->plain + at + 38;
		return strspn(p->priority, "0123456789") == at && uuid_valid(p->id) &&
			utf8_valid(p->nome, n - at - 38) &&
			strlen(p->nome) == n - at - 38;
	}
	return false;
}

static json_t *
cursor_of_row(const PGresult *r, int row)
{
	char out[REGISTRY_CURSOR_SIZE];
	struct buf plain;
	json_t *v = NULL;

	buf_init(&plain, 1150);
	if (buf_printf(&plain, "%s %s %s", db_text(r, row, COL_PRIORITY),
		    db_text(r, row, COL_ID), db_text(r, row, COL_NOME)))
		v = json_string(sodium_bin2base64(out, sizeof(out),
			(const unsigned char *)buf_str(&plain), plain.len,
			sodium_base64_VARIANT_URLSAFE_NO_PADDING));
	buf_free(&plain);
	return v;
}

static json_t *
page_of_rows(struct app *app, const PGresult *r, int limit, struct err *e)
{
	int n = PQntuples(r);
	bool more = n > limit;
	json_t *list = json_array(), *page;

	for (int row = 0; row < (more ? limit : n); row++)
		if (json_array_append_new(list, registry_row_json(app, r, row)) != 0) {
			json_decref(list);
			err_set(e, ERR_NOMEM, "out of memory");
			return NULL;
		}
	page = json_pack("{s:b, s:o, s:o}", "success", 1, "servers", list, "next",
		more ? cursor_of_row(r, limit - 1) : json_null());
	if (page == NULL)
		err_set(e, ERR_NOMEM, "out of memory");
	return page;
}

json_t *
registry_list(struct app *app, const struct user *u, const struct registry_filter *f,
	deadline_t d, struct err *e)
{
	char limit[DB_PARAM_SIZE];
	struct position p = {.priority = NULL};
	json_t *page = NULL;
	PGresult *r;

	if (f->cursor != NULL && !position_of(f->cursor, &p)) {
		err_set(e, ERR_INPUT, "that cursor is not one of ours");
		return NULL;
	}
	r = db_query(app->db, d, &stmt_list,
		(const char *[]){u->id, truth(u->admin), f->ativo, f->kind, f->health,
			f->owner, f->text, p.priority, p.nome, p.id,
			db_param_int(limit, f->limit + 1)},
		e);
	if (r != NULL)
		page = page_of_rows(app, r, f->limit, e);
	PQclear(r);
	return page;
}

/* --- writing */

/* What goes into one of the *_sealed columns: NULL for none. False if it cannot be sealed. */
static bool
seal_field(struct app *app, const char *id, const char *column, const char *plain,
	struct buf *out, const char **param, struct err *e)
{
	*param = NULL;
	if (plain == NULL || *plain == '\0')
		return true;
	if (!seal(app->seal, "waha_servers", id, column, plain, out, e))
		return false;
	*param = buf_str(out);
	return true;
}

/* Parameters that an entry gives: its fields in their order, the secrets sealed. */
struct params {
	const char *value[DB_MAX_PARAMS];
	struct buf key, secret;
};

static bool
params_of(struct app *app, const char *id, const struct registry_entry *entry,
	struct params *p, struct err *e)
{
	*p = (struct params){0};
	buf_init(&p->key, SEALED_MAX);
	buf_init(&p->secret, SEALED_MAX);
	for (int i = 0; i < REGISTRY_KEY; i++)
		p->value[i] = entry->value[i];
	return seal_field(app, id, "api_key", entry->value[REGISTRY_KEY], &p->key,
		       &p->value[REGISTRY_KEY], e) &&
		seal_field(app, id, "webhook_secret", entry->value[REGISTRY_SECRET],
			&p->secret, &p->value[REGISTRY_SECRET], e);
}

static void
params_free(struct params *p)
{
	buf_free(&p->key);
	buf_free(&p->secret);
}

bool
registry_add(struct app *app, struct db_conn *c, const struct user *u,
	const struct registry_entry *entry, struct registry_view *out, deadline_t d,
	struct err *e)
{
	PGresult *room = NULL, *r = NULL;
	char id[37], limit[DB_PARAM_SIZE];
	struct params p;
	bool ok = false;

	*out = (struct registry_view){0};
	uuid_make(id);
	if (!params_of(app, id, entry, &p, e))
		goto out;
	if (strcmp(entry->owner, u->id) == 0) { /* his first request, perhaps */
		room = db_exec(c, d, &stmt_room,
			(const char *[]){u->id, u->email,
				db_param_int(limit, app->config.server_limit)},
			e);
		if (room == NULL)
			goto out;
		if (!u->admin && !db_bool(room, 0, 1)) {
			err_set(e, ERR_TOO_LARGE, "as many servers as he may have");
			goto out;
		}
	}
	p.value[REGISTRY__MAX] = id;
	p.value[REGISTRY__MAX + 1] = db_param_text(entry->owner);
	r = db_exec(c, d, &stmt_add, p.value, e);
	ok = r != NULL && view_of_row(app, r, 0, out, e);
out:
	PQclear(room);
	PQclear(r);
	params_free(&p);
	return ok;
}

bool
registry_change(struct app *app, const char *id, int64_t revision,
	const struct registry_entry *entry, bool *current, struct registry_view *out,
	deadline_t d, struct err *e)
{
	char number[DB_PARAM_SIZE];
	PGresult *r = NULL;
	struct params p;
	bool ok = false;

	*out = (struct registry_view){0};
	*current = false;
	if (!params_of(app, id, entry, &p, e))
		goto out;
	p.value[REGISTRY__MAX] = id;
	p.value[REGISTRY__MAX + 1] = db_param_int(number, revision);
	p.value[REGISTRY__MAX + 2] = truth(entry->given[REGISTRY_KEY]);
	p.value[REGISTRY__MAX + 3] = truth(entry->given[REGISTRY_SECRET]);
	r = db_query(app->db, d, &stmt_change, p.value, e);
	if (r == NULL)
		goto out;
	*current = PQntuples(r) > 0;
	ok = !*current || view_of_row(app, r, 0, out, e);
out:
	PQclear(r);
	params_free(&p);
	return ok;
}

bool
registry_act(struct app *app, struct db_conn *c, const struct user *u, const char *id,
	enum registry_action action, struct registry_view *out, deadline_t d,
	struct err *e)
{
	const char *params[] = {
		id, u->id, truth(u->admin), truth(action == REGISTRY_ACTIVATE)};
	PGresult *r, *drained;
	bool ok = false;

	*out = (struct registry_view){0};
	if (!uuid_valid(id))
		return err_set(e, ERR_NOT_FOUND, "no such server");
	if (action == REGISTRY_DRAIN) {
		drained = db_exec(c, d, &stmt_drain, params, e);
		PQclear(drained);
		if (drained == NULL)
			return false;
	}
	r = db_exec(
		c, d, action == REGISTRY_DRAIN ? &stmt_get : &stmt_ativo, params, e);
	if (r != NULL && PQntuples(r) == 0)
		err_set(e, ERR_NOT_FOUND, "no such server");
	else if (r != NULL)
		ok = view_of_row(app, r, 0, out, e);
	PQclear(r);
	return ok;
}

static bool
removal_of(const char *word, enum registry_removal *how, struct err *e)
{
	static const char *const words[] = {[REGISTRY_REMOVED] = "removed",
		[REGISTRY_DRAINING] = "draining",
		[REGISTRY_BUSY] = "busy",
		[REGISTRY_STALE] = "stale"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i]) == 0) {
			*how = (enum registry_removal)i;
			return true;
		}
	return err_set(e, ERR_NOT_FOUND, "no such server");
}

bool
registry_remove(struct app *app, const struct user *u, const char *id, int64_t revision,
	bool drain, enum registry_removal *how, deadline_t d, struct err *e)
{
	char number[DB_PARAM_SIZE];
	PGresult *r;
	bool ok;

	if (!uuid_valid(id))
		return err_set(e, ERR_NOT_FOUND, "no such server");
	r = db_query(app->db, d, &stmt_remove,
		(const char *[]){id, u->id, truth(u->admin),
			db_param_int(number, revision), truth(drain)},
		e);
	ok = r != NULL && removal_of(db_text(r, 0, 0), how, e);
	PQclear(r);
	return ok;
}

bool
registry_sweep(struct app *app, int *n, deadline_t d, struct err *e)
{
	PGresult *r = db_query(app->db, d, &stmt_sweep, NULL, e);

	if (r != NULL)
		*n += (int)db_int(r, 0, 0);
	PQclear(r);
	return r != NULL;
}
