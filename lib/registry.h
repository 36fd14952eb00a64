/*
 * registry: gateway servers as their owners keep them: list, read, add, change, remove.
 *
 * A user sees and changes his own servers; an administrator all of them, and those of the
 * platform (user_id null), which serve everybody. What is somebody else's does not
 * exist: ERR_NOT_FOUND. Keys and secrets go in and do not come out: they are sealed
 * before they are stored and shown as their last four characters.
 *
 * A row has a revision that grows with each change of what a client may write (not with health
 * and counters). Changes carry the revision they were made from, so that of two at once
 * the second is told. All but registry_entry_* need app->seal. Thread-safety: as db.
 */
#ifndef WAPOOL_REGISTRY_H
#define WAPOOL_REGISTRY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/app.h"
#include "lib/auth.h"
#include "lib/db.h"
#include "lib/message.h"

struct guard;
struct server;

/* What a client may write, in the order of the statements' parameters. */
enum registry_field {
	REGISTRY_NOME,
	REGISTRY_API_URL,
	REGISTRY_DESCRICAO,
	REGISTRY_ATIVO,
	REGISTRY_WEBHOOK_URL,
	REGISTRY_TIMEOUT,
	REGISTRY_RETRY,
	REGISTRY_RATE,
	REGISTRY_PRIORITY,
	REGISTRY_MAX,
	REGISTRY_KIND,
	REGISTRY_KEY, /* from here on: secrets */
	REGISTRY_SECRET,
	REGISTRY__MAX
};

/* A server as a client wants it: texts as SQL takes them, NULL for SQL's NULL. */
struct registry_entry {
	char *value[REGISTRY__MAX];
	bool given[REGISTRY__MAX];  /* the client named it */
	char owner[37];             /* user_id; "": the platform's */
	bool stored[REGISTRY__MAX]; /* of a loaded one: there is such a secret */
};

/* How a body is read. */
enum registry_mode {
	REGISTRY_CREATE, /* what is absent gets its default; nome and api_url are wanted */
	REGISTRY_REPLACE, /* the same, but absent secrets stay as they are */
	REGISTRY_CHANGE   /* RFC 7396: what is absent stays, null is the default */
};

/* A server as a client sees it. */
struct registry_view {
	char id[37];
	int64_t revision;
	json_t *body;
};

/*
 * Reads a body over what entry holds (zeroed, or a loaded one). guard: who judges api_url, NULL
 * if it may be anywhere. Returns a new array of {"pointer", "detail"}, one for each wrong
 * member, in the language; empty if all is well; NULL if memory ran out. Members that are
 * unknown or not to be written are wrong; user_id may be written by an administrator who
 * creates. Where api_url comes to another scheme, host or port, a stored key has to be given
 * again (whoever has a user's token shall not have the key sent to a host of his own), and a
 * stored webhook secret, of which gateways are told, is replaced by a random one unless
 * one is given.
 */
json_t *registry_entry_read(struct registry_entry *entry, const json_t *body,
	enum registry_mode mode, const struct user *u, const struct guard *guard,
	enum lang lang);

/* Only api_url, api_key and kind, for a test of a server that is not stored; kind may be
 * absent and is then NULL. */
json_t *registry_entry_read_test(struct registry_entry *entry, const json_t *body,
	const struct guard *guard, enum lang lang);

/* What that read as a server that can be asked: borrowed, so entry must outlive it. */
void registry_entry_server(struct registry_entry *entry, struct server *out);

/* Wipes secrets and frees the texts. NULL is allowed. */
void registry_entry_free(struct registry_entry *entry);

/* The server of that id for that user, into *out, whose body the caller releases. If entry is
 * not NULL, its fields (but the secrets) and owner are filled, to be changed; the caller
 * frees it, also after failure. ERR_NOT_FOUND, or an error of db. */
bool registry_get(struct app *app, const struct user *u, const char *id,
	struct registry_entry *entry, struct registry_view *out, deadline_t d,
	struct err *e);

#define REGISTRY_PAGE_MAX 100
#define REGISTRY_CURSOR_SIZE 1600

/* Members that are NULL do not filter. */
struct registry_filter {
	const char *ativo; /* "true", "false" */
	const char *kind;
	const char *health;
	const char *owner; /* an id, or "platform" */
	const char *text;  /* in nome or api_url, in any case */
	const char *cursor;
	int limit; /* 1 to REGISTRY_PAGE_MAX */
};

/* A page by falling priority, then name: {"servers": [...], "next": cursor or null}. ERR_INPUT:
 * the cursor is none of ours. */
json_t *
registry_list(struct app *app, const struct user *u, const struct registry_filter *f,
	deadline_t d, struct err *e) __attribute__((warn_unused_result));

/* Adds a server, in the caller's transaction. ERR_CONFLICT with sqlstate 23505 (the owner has
 * that URL already) or 23503 (no such owner); ERR_TOO_LARGE: this user, no administrator, has
 * SERVER_LIMIT servers. */
bool registry_add(struct app *app, struct db_conn *c, const struct user *u,
	const struct registry_entry *entry, struct registry_view *out, deadline_t d,
	struct err *e);

/* Writes entry over the row of that id if its revision is still the one given; *current is
 * false if it is not. ERR_CONFLICT with sqlstate 23505 as above, or 23001: its kind
 * cannot change while it has sessions. */
bool registry_change(struct app *app, const char *id, int64_t revision,
	const struct registry_entry *entry, bool *current, struct registry_view *out,
	deadline_t d, struct err *e);

enum registry_action {
	REGISTRY_ACTIVATE,   /* serves again; ends a drain */
	REGISTRY_DEACTIVATE, /* gets no new sessions */
	REGISTRY_DRAIN       /* the same, and its sessions leave as they can */
};

/* Does that, in the caller's transaction. ERR_NOT_FOUND. */
bool registry_act(struct app *app, struct db_conn *c, const struct user *u,
	const char *id, enum registry_action action, struct registry_view *out,
	deadline_t d, struct err *e);

enum registry_removal {
	REGISTRY_REMOVED,
	REGISTRY_DRAINING, /* it goes when its last session has left */
	REGISTRY_BUSY,     /* it has live sessions, and drain was not asked for */
	REGISTRY_STALE     /* its revision is another; 0 fits any */
};

/* Removes a server that has no live session. ERR_NOT_FOUND. */
bool
registry_remove(struct app *app, const struct user *u, const char *id, int64_t revision,
	bool drain, enum registry_removal *how, deadline_t d, struct err *e);

/* Removes those that were to go and whose last session has left; adds their number to *n. */
bool registry_sweep(struct app *app, int *n, deadline_t d, struct err *e);

#endif
