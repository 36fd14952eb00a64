/*
 * bench-load: HTTP/1.1 over TLS or in clear, as many connections as asked for, in one thread.
 *
 * It sends requests that were written down beforehand, byte by byte, and reads the answers. Closed loop: a
 * connection sends its next request when the last one is answered. Open loop: requests fall due at random
 * moments (exponential gaps) at a given rate, whatever the server does, and the time a request waits for a
 * free connection counts as latency.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What was asked for. */
struct options {
	int conns, port;
	double rate, seconds, warmup; /* rate 0: closed loop */
	size_t most;                  /* requests to send, 0: no bound */
	long seed;
	const char *member, *file; /* member: NULL if none */
	FILE *out;                 /* or NULL */
	bool clear;
};

/* Ends the program with what is wrong with the command line, or after --help. */
void options_read(struct options *o, int argc, char **argv);

/* One request, as it goes over the wire. */
struct shot {
	char *bytes;
	size_t len;
};

/* What became of one. */
struct outcome {
	uint32_t us;     /* from the moment it was due, or sent, to the last byte */
	uint16_t status; /* 0: no answer */
};

enum conn_state { CONN_OPENING, CONN_IDLE, CONN_BUSY };

struct conn {
	enum conn_state state;
	int fd;
	SSL *ssl;                /* NULL: in clear */
	const struct shot *shot; /* under way */
	size_t sent;
	int64_t began_ns;
	bool wants_write;
	char *in; /* the answer so far */
	size_t len, size;
};

/* Where to. */
struct target {
	const char *host;
	int port;
	SSL_CTX *tls; /* NULL: in clear */
	int epoll_fd;
};

int64_t now_ns(void);

/* Begins to open a connection, which is then CONN_OPENING. Ends the program if that is impossible. */
void conn_open(struct conn *c, const struct target *t);

/* Gives an idle connection a request. */
void conn_send(
	struct conn *c, const struct target *t, const struct shot *shot, int64_t began);

/* Goes on after an event. True if the request under way has ended: *status is 0 if the connection broke. The
 * answer's body is then at *body until the next call. The connection is opened anew if it has to be. */
bool
conn_advance(struct conn *c, const struct target *t, int *status, const char **body);

void conn_close(struct conn *c);

/* An answer of `len` bytes so far: its whole length, 0 while it is not complete, -1 if it is none. *status,
 * *body and *last (the server will close) are set once it is complete. Zero-terminated. */
long
answer_length(const char *in, size_t len, int *status, const char **body, bool *last);

/* Prints the outcomes as JSON: counts by status, percentiles. Sorts them. */
void report(struct outcome *all, size_t n, double seconds, const char *more);

#endif
