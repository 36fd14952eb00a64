#include "lib/rate.h"

#define PATIENT_MS 500 /* between two questions of who takes nothing in advance */

static const struct db_stmt stmt_admit = {"rate_admit",
	"SELECT ceil(extract(epoch FROM server_admit($1,"
	" $2::bigint * interval '1 millisecond', $3::boolean)) * 1000)::bigint",
	3};

/* How long to wait, -1 if that would be too long. False on an error of db. */
static bool
ask(const struct rate *r, deadline_t d, int64_t *wait, struct err *e)
{
	char longest[DB_PARAM_SIZE];
	PGresult *result = db_query(r->db, d, &stmt_admit,
		(const char *[]){r->server_id,
			db_param_int(longest, r->patient ? 0 : deadline_left(d)),
			r->patient ? "true" : "false"},
		e);

	if (result == NULL)
		return false;
	*wait = PQgetisnull(result, 0, 0) ? -1 : db_int(result, 0, 0);
	PQclear(result);
	return true;
}

bool
rate_admit(void *rate, deadline_t d, struct err *e)
{
	const struct rate *r = rate;
	int64_t wait;

	do
		if (!ask(r, d, &wait, e))
			return false;
	while (wait < 0 && r->patient && clock_sleep(PATIENT_MS, d));
	if (wait >= 0 && (wait == 0 || clock_sleep(wait, d)))
		return true;
	if (e != NULL && e->code == ERR_NONE)
		e->status = 429;
	return err_set(e, ERR_UNAVAILABLE, "the server's rate limit is reached");
}
