/*
 * live: tells nginx what pages that are open should hear at once (docs/live.md).
 *
 * Each server of LIVE_PUBLISH has a queue and a thread of its own, made with the first event, so that
 * whoever publishes never waits and a server that hangs delays nobody. One attempt per
 * event; what fails or does not fit is lost to the pages there, which ask again by
 * themselves. It is counted (`counters`, family `live`) and logged once a minute at most.
 *
 * Thread-safety: live_publish from any thread, live_new before threads, live_free after.
 */
#ifndef WAPOOL_LIVE_H
#define WAPOOL_LIVE_H

#include "lib/db.h"
#include "lib/err.h"

#define LIVE_SERVERS_MAX 8

struct live;

/*
 * servers: LIVE_PUBLISH, "unix:/path" and "http(s)://host:port" with spaces or commas
 * between them. ca_file as for http_new. db counts what was published and what failed; it
 * must outlive the result. NULL with ERR_CONFIG (naming the setting, not the value),
 * ERR_NOMEM or an error of http_new. Free with live_free.
 */
struct live *live_new(const char *servers, const char *ca_file, struct db_pool *db,
	struct err *e) __attribute__((warn_unused_result));

/* Queues an event for the pages of that user: type as in docs/live.md, json what they get.
 * Never blocks, never fails. arg is a struct live: the signature is news_sink's. */
void live_publish(void *arg, const char *user, const char *type, const char *json);

/* Queues the end of that user's streams: nginx closes them, and whoever still may opens another.
 * NULL l is allowed. */
void live_end(struct live *l, const char *user);

/* Gives what is queued half a second after the attempt under way (two seconds) and the last
 * counts two more, then ends the threads and frees. NULL is allowed. */
void live_free(struct live *l);

#endif
