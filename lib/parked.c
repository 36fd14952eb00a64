#include "lib/parked.h"

#include <string.h>

#include "lib/db.h"
#include "lib/event.h"

#define BATCH "1000" /* PARKED_BATCH */

static const struct db_stmt stmt_list = {"parked_list",
	"SELECT seq, shown FROM deliveries_shown("
	"$1, $2::uuid, $3::uuid, $4::uuid, $5, $6::bigint, $7::int)",
	7};

static const struct db_stmt stmt_one = {
	"parked_replay_one", "SELECT parked_replay_one($1::uuid)", 1};

static const struct db_stmt stmt_all = {"parked_replay",
	"SELECT replayed, remaining, disabled FROM parked_replay("
	"$1::uuid, $2::uuid, $3::uuid, $4, " BATCH ")",
	4};

/* The first `limit` rows; the one after them says that there are more. */
static json_t *
rows_of(const PGresult *r, int limit, char next[PARKED_CURSOR_SIZE], struct err *e)
{
	json_t *list = json_array();

	for (int i = 0; i < PQntuples(r) && i < limit; i++)
		if (json_array_append_new(
			    list, json_loads(db_text(r, i, 1), 0, NULL)) != 0) {
			err_set(e, ERR_NOMEM, "out of memory");
			json_decref(list);
			return NULL;
		}
	if (PQntuples(r) > limit)
		db_copy(r, limit - 1, 0, next, PARKED_CURSOR_SIZE);
	return list;
}

json_t *
parked_list(struct app *app, const char *state, const struct parked_filter *f,
	const char *cursor, int limit, deadline_t d, char next[PARKED_CURSOR_SIZE],
	struct err *e)
{
	char most[DB_PARAM_SIZE];
	PGresult *r = db_query(app->db, d, &stmt_list,
		(const char *[]){state, db_param_text(f->user),
			db_param_text(f->device), db_param_text(f->webhook),
			db_param_text(f->type), db_param_text(cursor),
			db_param_int(most, limit + 1)},
		e);
	json_t *list = NULL;

	*next = '\0';
	if (r != NULL)
		list = rows_of(r, limit, next, e);
	PQclear(r);
	return list;
}

bool
parked_replay(struct app *app, const char *event_id, deadline_t d,
	enum parked_outcome *out, struct err *e)
{
	static const char *const words[] = {[PARKED_REPLAYED] = "replayed",
		[PARKED_DISABLED] = "disabled",
		[PARKED_EXPIRED] = "expired"};
	char uuid[37];
	PGresult *r;

	*out = PARKED_NONE;
	if (!event_uuid(event_id, uuid))
		return true;
	r = db_query(app->db, d, &stmt_one, (const char *[]){uuid}, e);
	if (r == NULL)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], db_text(r, 0, 0)) == 0)
			*out = (enum parked_outcome)i;
	PQclear(r);
	return true;
}

bool
parked_replay_all(struct app *app, const struct parked_filter *f, deadline_t d,
	struct parked_result *out, struct err *e)
{
	PGresult *r = db_query(app->db, d, &stmt_all,
		(const char *[]){db_param_text(f->user), db_param_text(f->device),
			db_param_text(f->webhook), db_param_text(f->type)},
		e);

	*out = (struct parked_result){0};
	if (r == NULL)
		return false;
	out->replayed = (int)db_int(r, 0, 0);
	out->remaining = (int)db_int(r, 0, 1);
	out->disabled = (int)db_int(r, 0, 2);
	PQclear(r);
	return true;
}
