/*
 * message: every sentence people read, in Portuguese (the seeds' words) and English.
 * Constant data; safe from any thread.
 */
#ifndef WAPOOL_MESSAGE_H
#define WAPOOL_MESSAGE_H

enum lang { LANG_PT, LANG_EN };

/* Sentences that are no problem's. */
enum message {
	MSG_SCAN_QR,
	MSG_ENTER_CODE,
	MSG_ALREADY_CONNECTED,
	MSG_DISCONNECTED,
	MSG_NOT_CONNECTED,
	MSG_SCAN_TO_CONNECT, /* from here to MSG_LAST_WEEK: for administrators */
	MSG_QR_LATER,
	MSG_RESTARTED,
	MSG_LOGGED_OUT,
	MSG_DELETED,
	MSG_SEVERAL,    /* instances of one name, on several servers */
	MSG_NOT_ADMINS, /* an instance that no administrator made */
	MSG_NO_SESSION, /* the gateway has none of that name */
	MSG_RELEASED,
	MSG_NOT_ASSIGNED,
	MSG_EVENT_EXPIRED,
	MSG_POOL,
	MSG_POOL_FREE,
	MSG_FREE,
	MSG_TARGET,
	MSG_MAKING,
	MSG_FREE_LEAST,
	MSG_POOL_USED,
	MSG_ASSIGNED,
	MSG_ONLINE,
	MSG_LATENCY,
	MSG_MEAN,
	MSG_LONGEST,
	MSG_DOWN,
	MSG_SESSIONS,
	MSG_SESSIONS_HELD,
	MSG_NO_DATA,
	MSG_LATEST,
	MSG_LEAST,
	MSG_MOST,
	MSG_LAST_HOUR,
	MSG_LAST_DAY,
	MSG_LAST_WEEK,
	MSG_SENT,
	MSG_SEND_UNKNOWN,
	MSG_NO_DEVICE_YET, /* why nothing can be sent */
	MSG_ALL_DISCONNECTED,
	MSG_HOUR_USED,
	MSG_DAY_USED,
	MSG_IN_MAINTENANCE,
	MSG_DEVICE_LOGGED_OUT,
	MSG_WANT_EMAIL, /* from here on: what a field of a request should be */
	MSG_WANT_PASSWORD,
	MSG_WANT_METHOD,
	MSG_WANT_NUMBER,
	MSG_WANT_DEVICE,
	MSG_WANT_WEBHOOK_URL,
	MSG_WANT_EVENTS,
	MSG_WANT_STATE,
	MSG_WEBHOOK_DISABLED,
	MSG_WANT_NAME,
	MSG_WANT_URL,
	MSG_WANT_PUBLIC_URL,
	MSG_WANT_TEXT,
	MSG_WANT_TRUTH,
	MSG_WANT_NUMBER_IN, /* the range follows in brackets */
	MSG_WANT_KIND,
	MSG_WANT_KEY,
	MSG_WANT_KEY_AGAIN,
	MSG_WANT_SECRET,
	MSG_WANT_OWNER,
	MSG_WANT_FILTER,
	MSG_WANT_CURSOR,
	MSG_WANT_LIMIT,
	MSG_WANT_INSTANCE, /* the name of one */
	MSG_WANT_SERVER,
	MSG_WANT_RANGE,
	MSG_WANT_THEME,
	MSG_WANT_WIDTH,
	MSG_READ_ONLY,
	MSG_NO_SUCH_FIELD,
	MSG_PROBE_OK, /* from here on: what a test found, in the order of enum probe_result */
	MSG_PROBE_DNS,
	MSG_PROBE_REFUSED,
	MSG_PROBE_TLS,
	MSG_PROBE_TIMEOUT,
	MSG_PROBE_BLOCKED,
	MSG_PROBE_UNAUTHORIZED,
	MSG_PROBE_NOT_A_GATEWAY,
	MSG_PROBE_FAILED,
	MSG_WANT_TO,
	MSG_WANT_MESSAGE,
	MSG_WANT_STRATEGY,
	MSG_WANT_CLIENT,
	MSG_WANT_DEVICE_NAME,
	MSG_WHICH_DEVICE,
	MSG__MAX
};

/* The sentence in that language; never NULL. */
const char *message_text(enum message m, enum lang lang);

/*
 * Problems: what can be refused or fail, as the caller sees it. Each has a status, a
 * stable code (the tail of RFC 9457's type URI), a title and a default detail in both
 * languages and, where waiting helps, a Retry-After.
 */
enum problem {
	PROBLEM_BAD_REQUEST,       /* 400 bad-request: malformed request */
	PROBLEM_BAD_JSON,          /* 400 bad-json */
	PROBLEM_INVALID,           /* 422 invalid-field: right JSON, wrong value */
	PROBLEM_UNAUTHORIZED,      /* 401 unauthorized: WWW-Authenticate: Bearer */
	PROBLEM_BAD_LOGIN,         /* 401 bad-login: e-mail or password wrong */
	PROBLEM_FORBIDDEN,         /* 403 forbidden */
	PROBLEM_BAD_SIGNATURE,     /* 401 bad-signature: a webhook's */
	PROBLEM_NOT_FOUND,         /* 404 not-found */
	PROBLEM_DEVICE_NOT_FOUND,  /* 404 device-not-found */
	PROBLEM_NO_QR,             /* 409 no-qr: nothing to scan now */
	PROBLEM_METHOD,            /* 405 method-not-allowed, with Allow */
	PROBLEM_TOO_LARGE,         /* 413 too-large */
	PROBLEM_MEDIA_TYPE,        /* 415 unsupported-media-type */
	PROBLEM_NOT_ACCEPTABLE,    /* 406 not-acceptable: a stream is all there is */
	PROBLEM_IDEMPOTENCY_KEY,   /* 400 idempotency-key: malformed */
	PROBLEM_IDEMPOTENCY_BUSY,  /* 409 idempotency-busy: the first still runs */
	PROBLEM_IDEMPOTENCY_REUSE, /* 422 idempotency-reuse: same key, other request */
	PROBLEM_POOL_EMPTY,        /* 503 pool-empty: no instance is free */
	PROBLEM_GATEWAY,           /* 502 gateway-failed: refused, or made no sense */
	PROBLEM_GATEWAY_SLOW,      /* 504 gateway-slow: no QR before the deadline */
	PROBLEM_UNAVAILABLE,       /* 503 unavailable: our database is out of reach */
	PROBLEM_INTERNAL,          /* 500 internal */
	PROBLEM_CONFLICT,          /* 409 conflict: right in itself, wrong now */
	PROBLEM_SERVER_EXISTS,     /* 409 server-exists: the owner has that URL */
	PROBLEM_SERVER_IN_USE,     /* 409 server-in-use: it has live sessions */
	PROBLEM_PRECONDITION,      /* 412 precondition-failed: If-Match */
	PROBLEM_NAME_TAKEN,        /* 409 name-taken: an instance's */
	PROBLEM_NO_ROOM,           /* 503 no-room: every server is full */
	PROBLEM_NO_INSTANCE,       /* 503 no-instance: nothing to send with */
	PROBLEM_QUOTA,             /* 429 quota-used: the hour's or the day's */
	PROBLEM_DEVICE_LIMIT,      /* 409 device-limit: too many devices */
	PROBLEM_SERVER_LIMIT,      /* 409 server-limit: too many servers */
	PROBLEM_MAINTENANCE,       /* 503 maintenance: wapoolctl quiesce */
	PROBLEM_IDEMPOTENCY_FULL,  /* 429 idempotency-full: too many keys kept */
	PROBLEM_TOO_MANY,          /* 429 too-many-requests: as nginx has it */
	PROBLEM_CLAIMS_USED,       /* 429 claims-used: CLAIM_LIMIT */
	PROBLEM_WEBHOOKS_FULL,     /* 429 webhooks-full: OWN_WEBHOOKS_MB */
	PROBLEM__MAX
};

struct problem_info {
	int status;
	int retry_after; /* seconds, 0: no header */
	const char *code;
	const char *title[2];  /* by enum lang */
	const char *detail[2]; /* by enum lang */
};

/* The row of that problem; never NULL. */
const struct problem_info *problem_info(enum problem p);

#endif
