/*
 * db-int: what the files behind db.h share; for no other file.
 *
 *   db-pool.c  connections: opened, lent, given back
 *   db.c       statements on one of them
 */
#ifndef WAPOOL_DB_INT_H
#define WAPOOL_DB_INT_H

#include <pthread.h>

#include "lib/db.h"

#define MAX_PREPARED 64 /* of a connection; what comes later is planned each time */

struct db_conn {
	PGconn *pg;
	struct db_pool *pool;
	const struct db_stmt *prepared[MAX_PREPARED];
	int nprepared;
	bool broken; /* close instead of reuse */
	bool listening;
	struct news news;
	struct db_conn *next;
};

struct db_pool {
	char *url;
	char *program;
	char options[200];
	news_sink *sink; /* or NULL: nobody wants news */
	void *sink_arg;
	int size, timeout_ms;
	pthread_mutex_t lock;
	pthread_cond_t freed;
	int open;             /* connections in use or idle; guarded by lock */
	struct db_conn *idle; /* last used first; guarded by lock */
	int64_t retry_at;     /* fail fast until then; guarded by lock */
	char last_error[256]; /* guarded by lock */
};

/* Waits until the connection's socket is ready for `events` (of poll), or false once d
 * passes. */
bool db_wait_socket(PGconn *pg, short events, deadline_t d);

#endif
