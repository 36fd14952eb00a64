/*
 * log: one JSON object per line on file descriptor 2, written by one write(2).
 *
 * Secrets never reach a log: a field whose name is on the deny-list (token, key,
 * password, authorization, qr, phone, text, ...) is written as "[redacted]", and
 * inside every other text what looks like a JWT, a QR or pairing reference, a
 * password in a URL or a run of eight and more digits is masked.
 *
 * Thread-safety: log_write may be called from any thread; log_setup before threads.
 */
#ifndef WAPOOL_LOG_H
#define WAPOOL_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* One named value of a log line: made by LOG_STR or LOG_INT, or the list's end. */
struct log_field {
	const char *name;
	const char *text; /* NULL: the value is `number` */
	int64_t number;
};

static inline struct log_field
LOG_STR(const char *name, const char *text) {
	return (struct log_field){.name = name, .text = text != NULL ? text : ""};
}

static inline struct log_field
LOG_INT(const char *name, int64_t number) {
	return (struct log_field){.name = name, .number = number};
}

#define LOG_END ((struct log_field){.name = NULL})

/* The program's name as it stands in every line, and the lowest level written.
 * `program` is kept, not copied. */
void
log_setup(const char *program, enum log_level lowest);

/* The level named "debug", "info", "warn" or "error"; LOG_INFO for other text. */
enum log_level log_level_of(const char *name);

/* The request id that this thread's lines carry from now on, copied; NULL for none. */
void log_request_id(const char *id);

/* Writes {"time":..,"level":..,"program":..,"event":event,...fields}. fields ends
 * with LOG_END. Errors of writing are ignored: there is nobody left to tell. */
void
log_fields(enum log_level level, const char *event, const struct log_field *fields);

#define log_write(level, event, ...)                                                   \
	log_fields(level, event, (const struct log_field[]){__VA_ARGS__, LOG_END})

struct buf;

/* Appends text to out as log_fields would write it: masked, then JSON-escaped.
 * For tests and for error texts that leave the process. */
bool log_mask(struct buf *out, const char *text);

#endif
