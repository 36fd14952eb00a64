/*
 * rate: the limit of calls to a server (waha_servers.rate_limit, requests a minute; 0 is
 * none), kept in the database for all threads, processes and hosts: SQL server_admit, a
 * GCRA (change `balance`). Costs one statement a call, and only for servers that have a
 * limit.
 *
 * Thread-safety: as db; a struct rate is read-only.
 */
#ifndef WAPOOL_RATE_H
#define WAPOOL_RATE_H

#include "lib/clock.h"
#include "lib/db.h"
#include "lib/err.h"

struct rate {
	struct db_pool *db; /* borrowed */
	char server_id[37];
	bool patient; /* others go first: some of what may come at once is left to them */
};

/*
 * Waits until the server may be called; `rate` is a struct rate (the signature is that
 * of struct server's admit). False at once, and nothing taken, if that would be after
 * the deadline: ERR_UNAVAILABLE with status 429, as if the gateway had said it. Also
 * false on an error of db. No connection is held while it waits.
 */
bool rate_admit(void *rate, deadline_t d, struct err *e);

#endif
