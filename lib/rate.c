#include "lib/rate.h"

static const struct db_stmt stmt_admit = {"rate_admit",
	"SELECT ceil(extract(epoch FROM"
	" server_admit($1, $2::bigint * interval '1 millisecond')) * 1000)::bigint",
	2};

bool
rate_admit(void *rate, deadline_t d, struct err *e)
{
	const struct rate *r = rate;
	char longest[DB_PARAM_SIZE];
	int64_t wait;
	PGresult *result = db_query(r->db, d, &stmt_admit,
		(const char *[]){r->server_id, db_param_int(longest, deadline_left(d))},
		e);

	if (result == NULL)
		return false;
	wait = PQgetisnull(result, 0, 0) ? -1 : db_int(result, 0, 0);
	PQclear(result);
	if (wait >= 0 && (wait == 0 || clock_sleep(wait, d)))
		return true;
	if (e != NULL && e->code == ERR_NONE)
		e->status = 429;
	return err_set(e, ERR_UNAVAILABLE, "the server's rate limit is reached");
}
