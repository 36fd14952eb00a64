/*
 * gateway-call: what every driver does the same way to ask its gateway something: URL
 * and headers, the deadline, admission, repeating with full jitter where that is safe,
 * strict JSON with a cap, and what an answer means.
 *
 * For drivers only. Thread-safety: as gateway.h.
 */
#ifndef WAPOOL_GATEWAY_CALL_H
#define WAPOOL_GATEWAY_CALL_H

#include "lib/gateway.h"

struct gateway_call {
	const char *method;
	const char *path;   /* with the session's name, escaped, in place of %s */
	const char *name;   /* the session, or NULL */
	const char *query;  /* appended as it is, or NULL */
	const char *header; /* one more header line, or NULL */
	json_t *body;       /* borrowed, or NULL */
	size_t max_answer;  /* bytes; 0: 1 MiB */
	bool repeat; /* it does no harm twice: then it is tried 1 + server->retries times */
	bool *sent; /* set to true if a request may have left; or NULL */
};

/* What a kind of gateway has of its own. */
struct gateway_dialect {
	const char *product; /* its name, for error texts */
	/* Appends the header line that carries the server's key; nothing without one. */
	void (*auth)(const struct server *, struct buf *line);
	/* What an answer means, ERR_NONE if it is a success. `v` is its body as JSON,
	 * NULL if that is empty or no JSON. NULL here: gateway_judge. */
	enum err_code (*judge)(int status, const json_t *v);
};

/* What a status means if nothing else is known: 401 and 403 ERR_UNAUTHORIZED, 404
 * ERR_NOT_FOUND, 409 and 422 ERR_CONFLICT, 429 and 5xx ERR_UNAVAILABLE, 2xx ERR_NONE,
 * others ERR_PROTOCOL. */
enum err_code gateway_judge(int status, const json_t *v);

/* A call of which only success matters: the answer may be empty, what there is must be
 * JSON (a 200 with a proxy's page is no success). Answers are not quoted in *e: they
 * echo requests, and with them secrets. */
bool gateway_command(const struct gateway_dialect *dialect, struct http *h,
	const struct server *s, const struct gateway_call *call, deadline_t d,
	struct err *e);

/* A call whose answer is a JSON value: a new reference, or NULL. */
json_t *gateway_fetch(const struct gateway_dialect *dialect, struct http *h,
	const struct server *s, const struct gateway_call *call, deadline_t d,
	struct err *e) __attribute__((warn_unused_result));

/* A call whose answer is no JSON, into *out, which the caller made and frees. */
bool gateway_bytes(const struct gateway_dialect *dialect, struct http *h,
	const struct server *s, const struct gateway_call *call, struct buf *out,
	deadline_t d, struct err *e);

/* One session in an answer; false with *e if it is none, or not a whole one: *out then holds
 * what gateway_named made of its name. */
typedef bool gateway_read_fn(const json_t *, struct session *, struct err *);

/* bytes; some hundred for each of many thousand sessions */
#define GATEWAY_LIST_MAX (64u << 20)

/* Makes *out a session of that name of which nothing is known (SESSION_OTHER, the word ""). False
 * if the name is NULL, "" or too long to be one of ours: it is "" then. */
bool gateway_named(struct session *out, const char *name);

/* The session of an answer, which is released here; NULL if the call failed, as *e tells. */
bool gateway_read_one(
	json_t *answer, gateway_read_fn *read, struct session *out, struct err *e);

/* The same for an array of them: each is handed on, until that is false. What is no session is
 * left out, but what has a name is handed on as gateway_named makes it: left out, it would be
 * missing. Fails if none is whole though there are some. */
bool gateway_read_list(const struct gateway_dialect *dialect, json_t *answer,
	gateway_read_fn *read, session_fn *each, void *ctx, struct err *e);

/* How to end a session that may be absent: true if a call failed because it is. Other
 * failures are handed up to e. */
bool gateway_absent_ok(const struct err *why, struct err *e);

/* *has: the gateway keeps for that session what is wanted. False with *e if it does not tell. */
typedef bool gateway_has_fn(struct http *, const struct server *, const char *name,
	const json_t *want, bool *has, deadline_t, struct err *);

/* Writes what the gateway does not have yet, and sees that it has it then: one that does not keep it is
 * ERR_PROTOCOL. `write` names the session. */
bool gateway_ensure(const struct gateway_dialect *dialect, struct http *h,
	const struct server *s, const struct gateway_call *write, gateway_has_fn *has,
	const json_t *want, deadline_t d, struct err *e);

/* True if a text (or NULL) may be a pairing code. */
bool gateway_is_code(const char *text);

/* True if a message whose sending failed with *e may have gone out all the same: the
 * request left, and the gateway did not plainly refuse it. */
bool gateway_may_have_sent(bool left, const struct err *e);

/* The state of a canonical word (see gateway.h); SESSION_OTHER for any other text. */
enum session_state gateway_state_of(const char *word);

/* The canonical word of a state; "" for SESSION_OTHER. */
const char *gateway_word(enum session_state state);

/* The text member of a JSON object, borrowed; NULL if o is no object (or NULL) or the
 * member no text. */
static inline const char *
gateway_text(const json_t *o, const char *member)
{
	return json_string_value(json_object_get(o, member));
}

#endif
