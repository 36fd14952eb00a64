#include "lib/device.h"

#include <string.h>

#include "lib/db.h"
#include "lib/log.h"
#include "lib/pool.h"
#include "lib/uuid.h"

static const struct db_stmt stmt_add = {
	"device_add", "SELECT device_add($1, $2, $3, $4::int)", 4};

static const struct db_stmt stmt_unmake = {
	"device_unmake", "SELECT device_unmake($1, $2)", 2};

static const struct db_stmt stmt_remove = {
	"device_remove", "SELECT device_remove($1, $2)", 2};

/* A session that the gateway has not listed for minutes is not connected (lib/connection). */
static const struct db_stmt stmt_list = {"device_list",
	"SELECT d.id, d.nome, d.is_default, i.name, CASE WHEN i.missing_since <"
	" statement_timestamp() - interval '3 minutes' THEN 'MISSING' ELSE i.status"
	" END, i.phone_number, i.profile_name,"
	" rfc3339(i.last_connected_at), rfc3339(d.created_at)"
	" FROM devices d LEFT JOIN instances i ON i.device_id = d.id"
	" WHERE d.user_id = active_user($1) ORDER BY d.created_at, d.id LIMIT 1000",
	1};

enum { ID, NOME, DEFAULT, NAME, STATUS, PHONE, PROFILE, LAST_CONNECTED, CREATED };

/* Seed 000's clients write deviceId, seed 004's device_id: both are taken everywhere. */
#define MEMBER "deviceId"
#define OTHER_MEMBER "device_id"

bool
device_of_query(const struct request *rq, char out[DEVICE_ID_SIZE], struct response *rs)
{
	const char *name = request_query_has(rq, MEMBER) ? MEMBER : OTHER_MEMBER;

	out[0] = '\0';
	if (!request_query_has(rq, name))
		return true;
	/* a longer value does not fit, and is none either */
	if (request_query(rq, name, out, DEVICE_ID_SIZE) && uuid_valid(out))
		return true;
	return response_invalid(rs, rq, "/" MEMBER, MSG_WANT_DEVICE);
}

bool
device_of_body(const struct request *rq, const json_t *body, const char **out,
	struct response *rs)
{
	const json_t *id = json_object_get(body, MEMBER);

	if (id == NULL)
		id = json_object_get(body, OTHER_MEMBER);
	*out = json_string_value(id);
	if (id == NULL || json_is_null(id) || uuid_valid(*out))
		return true;
	return response_invalid(rs, rq, "/" MEMBER, MSG_WANT_DEVICE);
}

static json_t *
json_of_row(const PGresult *r, int row)
{
	const char *status = db_text(r, row, STATUS);
	bool connected = status != NULL && strcmp(status, "WORKING") == 0;

	return json_pack("{s:s, s:s?, s:b, s:b, s:s?, s:s?, s:s?, s:s?, s:s?, s:s}",
		"device_id", db_text(r, row, ID), "nome", db_text(r, row, NOME),
		"default", db_bool(r, row, DEFAULT), "connected", connected, "status",
		status, "instanceName", db_text(r, row, NAME), "phoneNumber",
		connected ? db_text(r, row, PHONE) : NULL, "profileName",
		connected ? db_text(r, row, PROFILE) : NULL, "lastConnectedAt",
		db_text(r, row, LAST_CONNECTED), "createdAt", db_text(r, row, CREATED));
}

json_t *
device_list(struct app *app, const struct user *u, deadline_t d, struct err *e)
{
	PGresult *r = db_query(app->db, d, &stmt_list, (const char *[]){u->id}, e);
	json_t *list;

	if (r == NULL)
		return NULL;
	list = json_array();
	for (int row = 0; row < PQntuples(r); row++)
		if (json_array_append_new(list, json_of_row(r, row)) != 0) {
			err_set(e, ERR_NOMEM, "out of memory");
			json_decref(list);
			list = NULL;
			break;
		}
	PQclear(r);
	return list;
}

bool
device_add(struct app *app, const struct user *u, const char *name, deadline_t d,
	char out[DEVICE_ID_SIZE], struct err *e)
{
	char limit[DB_PARAM_SIZE];
	PGresult *r = db_query(app->db, d, &stmt_add,
		(const char *[]){u->id, u->email, name,
			db_param_int(limit, app->config.device_limit)},
		e);

	out[0] = '\0';
	if (r == NULL)
		return false;
	db_copy(r, 0, 0, out, DEVICE_ID_SIZE);
	PQclear(r);
	return true;
}

void
device_unmake(struct app *app, const struct user *u, const char *id)
{
	struct err e = ERR_INIT;
	PGresult *r = db_query(app->db, deadline_in(app->config.db_timeout_ms),
		&stmt_unmake, (const char *[]){u->id, id}, &e);

	if (r == NULL)
		log_write(LOG_WARN, "device.unmake", LOG_STR("error", e.text));
	PQclear(r);
}

bool
device_remove(struct app *app, const struct user *u, const char *id, deadline_t d,
	bool *known, struct err *e)
{
	PGresult *r =
		db_query(app->db, d, &stmt_remove, (const char *[]){u->id, id}, e);

	if (r == NULL)
		return false;
	*known = db_bool(r, 0, 0);
	PQclear(r);
	pool_wake(app, d);
	return true;
}
