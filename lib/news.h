/*
 * news: what a transaction tells the pages that are open, kept until it has committed.
 *
 * The database tells of it by messages with the SQLSTATE WLIVE (migration `live`): the
 * event as JSON in the message, the user whom it concerns in DETAIL, its type in HINT.
 * They come while a statement runs, before anybody else could see what it did; so the
 * connection keeps them and passes them on after the commit. Every other message of the
 * server is dropped.
 * Thread-safety: a news belongs to its connection's thread, in which the sink is called.
 */
#ifndef WAPOOL_NEWS_H
#define WAPOOL_NEWS_H

#include <libpq-fe.h>

#include "lib/buf.h"

/* Hears of one event; must not block. The texts are its own only during the call. */
typedef void news_sink(void *arg, const char *user, const char *type, const char *json);

struct news {
	struct buf kept; /* user NUL type NUL json NUL, again and again */
	news_sink *sink;
	void *arg;
};

/* Nothing kept. With a NULL sink nothing ever is. */
void news_init(struct news *n, news_sink *sink, void *arg);

/* For PQsetNoticeReceiver, with a struct news as arg. What exceeds a megabyte in one
 * transaction is left out. */
void news_take(void *arg, const PGresult *message);

/* It is committed: the sink hears all, in their order. */
void news_pass_on(struct news *n);

/* It is undone, or the connection is given up. Frees. */
void news_drop(struct news *n);

#endif
