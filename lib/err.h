/*
 * err: what went wrong, for whoever must answer for it.
 *
 * The caller owns the struct, its size is fixed, and the first error wins: code
 * that fails while cleaning up cannot hide the cause. Every function that takes a
 * `struct err *` accepts NULL. Thread-safety: none needed, an err belongs to the
 * thread that declared it.
 */
#ifndef WAPOOL_ERR_H
#define WAPOOL_ERR_H

#include <stdbool.h>

/* The kind of failure: what a caller may decide on. `text` is for people. */
enum err_code {
	ERR_NONE = 0,
	ERR_INPUT,        /* the caller's input is wrong; do not repeat as it is */
	ERR_UNAUTHORIZED, /* who asks is not known */
	ERR_NOT_FOUND,    /* what was asked for is not there */
	ERR_CONFLICT,     /* right in itself, wrong in this state */
	ERR_TOO_LARGE,    /* a limit of ours was reached */
	ERR_TIMEOUT,      /* the deadline passed; the outcome may be unknown */
	ERR_UNAVAILABLE,  /* a peer is down or refuses; try again later */
	ERR_BLOCKED,      /* lib/guard lets nobody go there */
	ERR_PROTOCOL,     /* a peer answered something that makes no sense */
	ERR_CONFIG,       /* our own configuration is wrong */
	ERR_NOMEM,        /* memory ran out */
	ERR_INTERNAL      /* a bug of ours or an unexpected answer of a library */
};

struct err {
	enum err_code code;
	int status;       /* HTTP status a peer answered, 0 if none */
	char cause[8];    /* of ERR_UNAVAILABLE on the way to a peer: "name", "connect",
			   * "tls", "reset"; of ERR_UNAUTHORIZED "kid" (lib/jwt.h); "" if it
			   * is none of these */
	char sqlstate[6]; /* PostgreSQL's SQLSTATE, "" if none */
	char text[256];   /* one line, English, without secrets */
};

#define ERR_INIT                                                                       \
	{                                                                              \
		.code = ERR_NONE                                                       \
	}

/*
 * Records code and text unless e already holds an error or is NULL.
 * Always returns false, so that `return err_set(...)` reads well.
 */
bool err_set(struct err *e, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Hands `why` up to e, unless e already holds an error or is NULL. */
void err_pass(struct err *e, const struct err *why);

/* True if e is not NULL and holds an error. */
bool err_isset(const struct err *e);

/* Makes e hold no error. NULL is allowed. */
void err_clear(struct err *e);

/* The code's name in lower case, for logs ("timeout"); never NULL. */
const char *err_name(enum err_code code);

#endif
