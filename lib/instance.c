#include "lib/instance.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "lib/db.h"
#include "lib/utf8.h"
#include "lib/uuid.h"

/* A session that the gateway did not list at the last look has no status, and no phone is
 * connected by it: as GET /health/instances counts (instance_kind of change `metrics`). */
#define STATUS                                                                         \
	"CASE WHEN i.lifecycle = 'assigned' AND i.missing_since IS NOT NULL"           \
	" THEN 'MISSING' ELSE i.status END"

/* In the order of read_row. */
#define COLUMNS                                                                        \
	"i.id, i.name, i.server_id, s.nome, s.kind, i.origin, i.lifecycle,"            \
	" rfc3339(i.lifecycle_at), " STATUS ", rfc3339(i.status_seen_at), i.health,"   \
	" i.health_reason, rfc3339(i.health_at), i.assigned_to_user_id, u.email,"      \
	" i.device_id, i.phone_number, i.profile_name, rfc3339(i.assigned_at),"        \
	" rfc3339(i.paired_at), rfc3339(i.last_connected_at), rfc3339(i.created_at),"  \
	" rfc3339(s.checked_at), i.last_error, i.epoch, i.generation,"                 \
	" i.paired_at IS NOT NULL"

#define FROM                                                                           \
	" FROM instances i JOIN waha_servers s ON s.id = i.server_id"                  \
	" LEFT JOIN users u ON u.id = i.assigned_to_user_id"

static const struct db_stmt stmt_by_id = {
	"instance_by_id", "SELECT " COLUMNS FROM " WHERE i.id = $1", 1};

static const struct db_stmt stmt_by_name = {"instance_by_name",
	"SELECT " COLUMNS FROM " WHERE i.name = $1 ORDER BY i.id LIMIT 2", 1};

static const struct db_stmt stmt_by_former = {"instance_by_former",
	"SELECT " COLUMNS FROM " WHERE i.id = (SELECT instance_id FROM instance_events"
	" WHERE kind = 'renamed' AND from_state = $1 ORDER BY id DESC LIMIT 1)",
	1};

/* One row more than asked for tells whether there is another page. */
static const struct db_stmt stmt_list = {"instance_list",
	"SELECT " COLUMNS FROM " WHERE ($1::text IS NULL AND i.lifecycle <> 'retired'"
	" OR i.lifecycle = $1)"
	" AND ($2::text IS NULL OR i.health = $2)"
	" AND ($3::text IS NULL OR i.server_id::text = lower($3) OR s.nome = $3)"
	" AND ($4::text IS NULL OR " STATUS " = $4"
	" OR $4 = 'connected' AND " STATUS " = 'WORKING' AND i.lifecycle = 'assigned'"
	" OR $4 = 'disconnected'"
	" AND (" STATUS " <> 'WORKING' OR i.lifecycle <> 'assigned'))"
	" AND ($5::text IS NULL OR i.origin = $5)"
	" AND ($6::text IS NULL OR strpos(lower(i.name), lower($6)) > 0)"
	" AND (i.name, i.id) > ($7::varchar, $8::uuid)"
	" ORDER BY i.name, i.id LIMIT $9::int + 1",
	9};

/* In the order of read_event. */
#define EVENT                                                                          \
	"id, rfc3339(at), kind, from_state, to_state, reason, actor,"                  \
	" coalesce(duration_ms, -1), user_id, epoch FROM instance_events"

static const struct db_stmt stmt_trail = {"instance_trail",
	"SELECT * FROM (SELECT " EVENT
	" WHERE instance_id = $1 ORDER BY id DESC LIMIT $2::int) t ORDER BY id",
	2};

/* One row more than asked for tells whether there is another page. */
static const struct db_stmt stmt_trail_page = {"instance_trail_page",
	"SELECT " EVENT " WHERE instance_id = $1 AND ($2::bigint IS NULL OR id < $2)"
	" ORDER BY id DESC LIMIT $3::int + 1",
	3};

bool
instance_is_online(const struct instance *i)
{
	return strcmp(i->lifecycle, "assigned") == 0 &&
		strcmp(i->status, "WORKING") == 0;
}

const char *
instance_status(const struct instance *i)
{
	return instance_is_online(i) ? "connected" : "disconnected";
}

static void
read_row(const PGresult *r, int row, struct instance *out)
{
	const struct {
		char *to;
		size_t size;
	} texts[] = {
		{out->id, sizeof(out->id)},
		{out->name, sizeof(out->name)},
		{out->server_id, sizeof(out->server_id)},
		{out->server, sizeof(out->server)},
		{out->kind, sizeof(out->kind)},
		{out->origin, sizeof(out->origin)},
		{out->lifecycle, sizeof(out->lifecycle)},
		{out->lifecycle_at, sizeof(out->lifecycle_at)},
		{out->status, sizeof(out->status)},
		{out->status_at, sizeof(out->status_at)},
		{out->health, sizeof(out->health)},
		{out->health_reason, sizeof(out->health_reason)},
		{out->health_at, sizeof(out->health_at)},
		{out->user_id, sizeof(out->user_id)},
		{out->email, sizeof(out->email)},
		{out->device_id, sizeof(out->device_id)},
		{out->phone, sizeof(out->phone)},
		{out->profile, sizeof(out->profile)},
		{out->assigned_at, sizeof(out->assigned_at)},
		{out->paired_at, sizeof(out->paired_at)},
		{out->connected_at, sizeof(out->connected_at)},
		{out->created_at, sizeof(out->created_at)},
		{out->looked_at, sizeof(out->looked_at)},
		{out->last_error, sizeof(out->last_error)},
	};
	const int n = sizeof(texts) / sizeof(texts[0]);

	for (int i = 0; i < n; i++)
		db_copy(r, row, i, texts[i].to, texts[i].size);
	out->epoch = db_int(r, row, n);
	out->generation = db_int(r, row, n + 1);
	out->paired = db_bool(r, row, n + 2);
}

/* The one row of that statement. *rows: how many there were. */
static bool
get_by(struct app *app, const struct db_stmt *s, const char *which, deadline_t d,
	struct instance *out, int *rows, struct err *e)
{
	PGresult *r = db_query(app->db, d, s, (const char *[]){which}, e);

	if (r == NULL)
		return false;
	*rows = PQntuples(r);
	if (*rows > 0)
		read_row(r, 0, out);
	PQclear(r);
	return true;
}

bool
instance_get(struct app *app, const char *which, bool former, deadline_t d,
	struct instance *out, struct err *e)
{
	int rows = 0;

	*out = (struct instance){0};
	if (uuid_valid(which) && !get_by(app, &stmt_by_id, which, d, out, &rows, e))
		return false;
	if (rows == 0 && !get_by(app, &stmt_by_name, which, d, out, &rows, e))
		return false;
	if (rows == 0 && former &&
		!get_by(app, &stmt_by_former, which, d, out, &rows, e))
		return false;
	if (rows == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no such instance");
	if (rows > 1)
		return err_set(e, ERR_CONFLICT,
			"several servers have one of that name: use its id");
	return true;
}

/* A cursor is the last row's id and name, in base64url. */
static bool
cursor_of(const struct instance *last, char out[INSTANCE_CURSOR_SIZE])
{
	char plain[sizeof(last->id) + sizeof(last->name)];
	size_t n = strlen(last->name);

	memcpy(plain, last->id, 36);
	memcpy(plain + 36, last->name, n);
	return sodium_bin2base64(out, INSTANCE_CURSOR_SIZE,
		       (const unsigned char *)plain, 36 + n,
		       sodium_base64_VARIANT_URLSAFE_NO_PADDING) != NULL;
}

struct position {
	char id[37];
	char name[256];
};

static bool
position_of(const char *cursor, struct position *out)
{
	char plain[36 + sizeof(out->name)];
	size_t n = 0;

	if (sodium_base642bin((unsigned char *)plain, sizeof(plain) - 1, cursor,
		    strlen(cursor), NULL, &n, NULL,
		    sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
		n <= 36 || memchr(plain, '\0', n) != NULL || !utf8_valid(plain, n))
		return false;
	memcpy(out->id, plain, 36);
	out->id[36] = '\0';
	memcpy(out->name, plain + 36, n - 36);
	out->name[n - 36] = '\0';
	return uuid_valid(out->id);
}

static bool
read_page(const PGresult *r, int limit, struct instance_page *out, struct err *e)
{
	int n = PQntuples(r) > limit ? limit : PQntuples(r);

	out->rows = calloc((size_t)n + 1, sizeof(*out->rows));
	if (out->rows == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (int i = 0; i < n; i++)
		read_row(r, i, &out->rows[i]);
	out->n = (size_t)n;
	if (PQntuples(r) > limit)
		cursor_of(&out->rows[n - 1], out->next);
	return true;
}

bool
instance_list(struct app *app, const struct instance_filter *f, deadline_t d,
	struct instance_page *out, struct err *e)
{
	bool from_start = f->cursor == NULL || *f->cursor == '\0', ok;
	char limit[DB_PARAM_SIZE];
	/* before the first: no name is empty */
	struct position at = {.id = "00000000-0000-0000-0000-000000000000"};
	PGresult *r;

	*out = (struct instance_page){0};
	if (!from_start && !position_of(f->cursor, &at))
		return err_set(e, ERR_INPUT, "that cursor is not one of ours");
	r = db_query(app->db, d, &stmt_list,
		(const char *[]){db_param_text(f->lifecycle), db_param_text(f->health),
			db_param_text(f->server), db_param_text(f->status),
			db_param_text(f->origin), db_param_text(f->text), at.name,
			at.id, db_param_int(limit, f->limit)},
		e);
	ok = r != NULL && read_page(r, f->limit, out, e);
	PQclear(r);
	return ok;
}

void
instance_page_free(struct instance_page *p)
{
	free(p->rows);
	*p = (struct instance_page){0};
}

static void
read_event(const PGresult *r, int row, struct instance_event *v)
{
	v->id = db_int(r, row, 0);
	db_copy(r, row, 1, v->at, sizeof(v->at));
	db_copy(r, row, 2, v->kind, sizeof(v->kind));
	db_copy(r, row, 3, v->from, sizeof(v->from));
	db_copy(r, row, 4, v->to, sizeof(v->to));
	db_copy(r, row, 5, v->reason, sizeof(v->reason));
	db_copy(r, row, 6, v->actor, sizeof(v->actor));
	v->duration_ms = db_int(r, row, 7);
	db_copy(r, row, 8, v->user_id, sizeof(v->user_id));
	v->epoch = db_int(r, row, 9);
}

/* The first n rows, of those that there are. */
static bool
read_trail(const PGresult *r, int n, struct instance_trail *out, struct err *e)
{
	n = PQntuples(r) < n ? PQntuples(r) : n;
	out->rows = calloc((size_t)n + 1, sizeof(*out->rows));
	if (out->rows == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (int i = 0; i < n; i++)
		read_event(r, i, &out->rows[out->n++]);
	return true;
}

bool
instance_trail(struct app *app, const char *id, int limit, deadline_t d,
	struct instance_trail *out, struct err *e)
{
	char most[DB_PARAM_SIZE];
	PGresult *r = db_query(app->db, d, &stmt_trail,
		(const char *[]){id, db_param_int(most, limit)}, e);
	bool ok;

	*out = (struct instance_trail){0};
	ok = r != NULL && read_trail(r, limit, out, e);
	PQclear(r);
	return ok;
}

bool
instance_trail_page(struct app *app, const char *id, const char *cursor, int limit,
	deadline_t d, struct instance_trail *out, struct err *e)
{
	char most[DB_PARAM_SIZE];
	PGresult *r = db_query(app->db, d, &stmt_trail_page,
		(const char *[]){id, db_param_text(cursor), db_param_int(most, limit)},
		e);
	bool ok;

	*out = (struct instance_trail){0};
	ok = r != NULL && read_trail(r, limit, out, e);
	if (ok && PQntuples(r) > limit)
		db_copy(r, limit - 1, 0, out->next, sizeof(out->next));
	PQclear(r);
	return ok;
}

void
instance_trail_free(struct instance_trail *t)
{
	free(t->rows);
	*t = (struct instance_trail){0};
}

static json_t *
text_or_null(const char *s)
{
	return *s != '\0' ? json_string(s) : json_null();
}

/* The ones that seed 003 names first. */
json_t *
instance_json(const struct instance *i, bool phones)
{
	json_t *o = json_pack("{s:s, s:s, s:b, s:s, s:s, s:s, s:s, s:o, s:s}", "nome",
		i->name, "status", instance_status(i), "online", instance_is_online(i),
		"id", i->id, "origin", i->origin, "lifecycle", i->lifecycle, "health",
		i->health, "healthReason", text_or_null(i->health_reason),
		"gatewayStatus", i->status);
	const struct {
		const char *name, *value;
	} more[] = {
		{"userId", i->user_id},
		{"email", i->email},
		{"deviceId", i->device_id},
		{"lifecycleAt", i->lifecycle_at},
		{"statusAt", i->status_at},
		{"healthAt", i->health_at},
		{"assignedAt", i->assigned_at},
		{"pairedAt", i->paired_at},
		{"lastConnectedAt", i->connected_at},
		{"createdAt", i->created_at},
		{"lastError", i->last_error},
	};

	json_object_set_new(o, "server",
		json_pack("{s:s, s:s, s:s}", "id", i->server_id, "nome", i->server,
			"kind", i->kind));
	for (size_t k = 0; k < sizeof(more) / sizeof(more[0]); k++)
		json_object_set_new(o, more[k].name, text_or_null(more[k].value));
	json_object_set_new(o, "epoch", json_integer(i->epoch));
	json_object_set_new(o, "generation", json_integer(i->generation));
	if (phones) {
		json_object_set_new(o, "numero_telefone", text_or_null(i->phone));
		json_object_set_new(o, "profileName", text_or_null(i->profile));
	}
	return o;
}

json_t *
instance_trail_json(const struct instance_trail *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->n; i++) {
		const struct instance_event *v = &t->rows[i];

		json_array_append_new(list,
			json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "at",
				v->at, "kind", v->kind, "from", text_or_null(v->from),
				"to", text_or_null(v->to), "reason",
				text_or_null(v->reason), "actor",
				text_or_null(v->actor), "durationMs",
				v->duration_ms >= 0 ? json_integer(v->duration_ms)
						    : json_null(),
				"userId", text_or_null(v->user_id), "epoch",
				(json_int_t)v->epoch));
	}
	return list;
}
