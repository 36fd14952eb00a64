#include "lib/connection.h"

#include "lib/buf.h"
#include "lib/db.h"

#define TEXT_MAX (64u << 10) /* 1,700 ids */

/*
 * Ids come as two texts, with '-' for no device. Compared with arrays they let PostgreSQL
 * keep one plan: it would take the length of an array into account, and plan each time.
 * OFFSET 0 keeps it a look into the index for each question, however many rows it expects.
 * A session that the gateway has not listed for minutes is not connected, whatever it said
 * last.
 */
static const struct db_stmt stmt_connections = {"connections",
	"SELECT k.n, u.disabled_at IS NOT NULL, c.* FROM ROWS FROM"
	" (string_to_table($1, ' '), string_to_table($2, ' ', '-')) WITH ORDINALITY"
	" AS k (user_id, device_id, n)"
	" LEFT JOIN LATERAL (SELECT disabled_at FROM users WHERE id = k.user_id::uuid"
	" OFFSET 0) u ON true"
	" LEFT JOIN LATERAL (SELECT d.id, i.name, i.server_id, CASE WHEN i.missing_since <"
	" statement_timestamp() - interval '3 minutes' THEN 'MISSING' ELSE i.status END,"
	" i.phone_number, i.profile_name"
	" FROM devices d LEFT JOIN instances i ON i.device_id = d.id"
	" WHERE d.user_id = k.user_id::uuid"
	" AND (d.id = k.device_id::uuid OR k.device_id IS NULL AND d.is_default)"
	" OFFSET 0) c ON true",
	2};

static void
read_row(const PGresult *r, int row, struct connection *out)
{
	out->disabled = db_bool(r, row, 1);
	if (out->disabled || db_text(r, row, 2) == NULL)
		return;
	out->device_known = true;
	out->assigned = db_text(r, row, 3) != NULL;
	db_copy(r, row, 2, out->device_id, sizeof(out->device_id));
	db_copy(r, row, 3, out->name, sizeof(out->name));
	db_copy(r, row, 4, out->server_id, sizeof(out->server_id));
	db_copy(r, row, 5, out->status, sizeof(out->status));
	db_copy(r, row, 6, out->phone, sizeof(out->phone));
	db_copy(r, row, 7, out->profile, sizeof(out->profile));
}

bool
connection_load(struct app *app, struct connection_ask *asks, size_t n, deadline_t d,
	struct err *e)
{
	struct buf users, devices;
	PGresult *r = NULL;

	buf_init(&users, TEXT_MAX);
	buf_init(&devices, TEXT_MAX);
	for (size_t i = 0; i < n; i++) {
		asks[i].found =
			(struct connection){.device_known = asks[i].device == NULL};
		buf_printf(&users, "%s%s", i > 0 ? " " : "", asks[i].user->id);
		buf_printf(&devices, "%s%s", i > 0 ? " " : "",
			asks[i].device != NULL ? asks[i].device : "-");
	}
	if (users.failed || devices.failed)
		err_set(e, ERR_NOMEM, "out of memory");
	else
		r = db_query(app->db, d, &stmt_connections,
			(const char *[]){buf_str(&users), buf_str(&devices)}, e);
	for (int row = 0; r != NULL && row < PQntuples(r); row++)
		read_row(r, row, &asks[db_int(r, row, 0) - 1].found);
	PQclear(r);
	buf_free(&users);
	buf_free(&devices);
	return r != NULL;
}

bool
connection_get(struct app *app, const struct user *u, const char *device, deadline_t d,
	struct connection *out, struct err *e)
{
	struct connection_ask ask = {.user = u, .device = device};
	bool ok = connection_load(app, &ask, 1, d, e);

	*out = ask.found;
	return ok &&
		(!out->disabled ||
			err_set(e, ERR_UNAUTHORIZED, "the account is disabled"));
}
