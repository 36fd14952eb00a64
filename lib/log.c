#include "lib/log.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/uuid.h"

/* A pipe takes up to PIPE_BUF (4096) bytes as one piece. */
#define LINE_MAX_BYTES 4000
#define TEXT_MAX_BYTES 1024

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static const char *const secret_names[] = {"api_key", "apikey", "authorization", "body",
	"code", "cookie", "hmac", "key", "password", "phone", "phoneNumber", "qr",
	"qrCode", "secret", "text", "token"};

static const char *log_program = "wapool";
static enum log_level log_lowest = LOG_INFO;
static _Thread_local char thread_request_id[40];

void
log_setup(const char *program, enum log_level lowest)
{
	log_program = program;
	log_lowest = lowest;
}

enum log_level
log_level_of(const char *name)
{
	for (size_t i = 0; name != NULL && i < 4; i++)
		if (strcmp(name, level_names[i]) == 0)
			return (enum log_level)i;
	return LOG_INFO;
}

void
log_request_id(const char *id)
{
	size_t n = 0;

	/* the id may be a client's: only what needs no escaping gets into a line */
	for (; id != NULL && *id != '\0' && n < sizeof(thread_request_id) - 1; id++)
		if (isalnum((unsigned char)*id) || *id == '-')
			thread_request_id[n++] = *id;
	thread_request_id[n] = '\0';
}

static bool
is_secret_name(const char *name)
{
	for (size_t i = 0; i < sizeof(secret_names) / sizeof(secret_names[0]); i++)
		if (strcmp(name, secret_names[i]) == 0)
			return true;
	return false;
}

static bool
is_word(char c)
{
	return isalnum((unsigned char)c) || strchr("-_.+/=", c) != NULL;
}

static size_t
span(const char *s, bool (*in)(char))
{
	size_t n = 0;

	while (s[n] != '\0' && in(s[n]))
		n++;
	return n;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_not_space(char c)
{
	return !isspace((unsigned char)c) && c != '"';
}

/* True if the digits at text[i] are the time in the name of an instance of the pool. */
static bool
is_pool_name(const char *text, size_t i)
{
	return i >= 5 && is_digit(text[i]) && strncmp(text + i - 5, "pool-", 5) == 0;
}

/* The length of the secret that s begins with, 0 if it begins with none. */
static size_t
secret_length(const char *s, bool word_start)
{
	size_t digits = span(s, is_digit);
	const char *at, *slash;

	if (digits >= 8)
		return digits; /* a phone number or an id made of one */
	if (!word_start)
		return 0;
	if (strncmp(s, "eyJ", 3) == 0)
		return span(s, is_word); /* a JWT */
	if (strncmp(s, "2@", 2) == 0)
		return span(s, is_not_space); /* WhatsApp's raw QR */
	if (strncmp(s, "whsec_", 6) == 0 || strncmp(s, "sealed:", 7) == 0)
		return span(s, is_not_space);
	if (strncmp(s, "://", 3) == 0) { /* user:password@ of a URL */
		at = strchr(s + 3, '@');
		slash = strpbrk(s + 3, "/ ");
		if (at != NULL && (slash == NULL || at < slash))
			return (size_t)(at - s);
	}
	return 0;
}

/* True if text[i] begins a UUID: an id of ours, however many digits it has. */
static bool
is_uuid(const char *text, size_t i, size_t n)
{
	char id[37];

	if (n - i < 36)
		return false;
	memcpy(id, text + i, 36);
	id[36] = '\0';
	return uuid_valid(id);
}

bool
log_mask(struct buf *out, const char *text)
{
	size_t n = strnlen(text, TEXT_MAX_BYTES), i = 0;

	while (i < n) {
		bool start = i == 0 || !isalnum((unsigned char)text[i - 1]) ||
			text[i] == ':';
		size_t secret = secret_length(text + i, start);
		size_t plain = 1;

		if (start && is_uuid(text, i, n)) {
			buf_add(out, text + i, 36);
			i += 36;
			continue;
		}
		if (secret > 0) {
			if (is_pool_name(text, i))
				buf_add(out, text + i, secret);
			else
				buf_puts(out, "[redacted]");
			i += secret;
			continue;
		}
		while (i + plain < n && (text[i + plain] & 0xc0) == 0x80)
			plain++; /* keep a UTF-8 character together */
		buf_json(out, text + i, plain);
		i += plain;
	}
	return !out->failed;
}

static void
add_field(struct buf *line, const struct log_field *f)
{
	buf_printf(line, ",\"%s\":", f->name);
	if (f->text == NULL) {
		buf_printf(line, "%lld", (long long)f->number);
	} else if (is_secret_name(f->name)) {
		buf_puts(line, "\"[redacted]\"");
	} else {
		buf_putc(line, '"');
		log_mask(line, f->text);
		buf_putc(line, '"');
	}
}

void
log_fields(enum log_level level, const char *event, const struct log_field *fields)
{
	struct buf line;
	char now[32];
	size_t keep;
	ssize_t ignored;

	if (level < log_lowest)
		return;
	buf_init(&line, LINE_MAX_BYTES);
	clock_rfc3339(clock_wall_ms(), now, sizeof(now));
	buf_printf(&line,
		"{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"%s\",\"event\":\"%s\"",
		now, level_names[level], log_program, event);
	if (thread_request_id[0] != '\0')
		buf_printf(&line, ",\"requestId\":\"%s\"", thread_request_id);
	for (; fields->name != NULL; fields++) {
		keep = line.len;
		add_field(&line, fields);
		if (line.failed || line.len > LINE_MAX_BYTES - 2) {
			/* a line that is too long loses fields, not its form */
			line.len = keep;
			line.failed = false;
			break;
		}
	}
	buf_puts(&line, "}\n");
	ignored = write(STDERR_FILENO, buf_str(&line), line.len);
	(void)ignored;
	buf_free(&line);
}
