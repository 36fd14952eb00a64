#include "lib/response.h"

#include <stdio.h>
#include <string.h>

#include "lib/log.h"

#define HEADERS_MAX (32u << 10)

static const struct {
	int status;
	const char *reason;
} reasons[] = {
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{204, "No Content"},
	{303, "See Other"},
	{304, "Not Modified"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{406, "Not Acceptable"},
	{409, "Conflict"},
	{412, "Precondition Failed"},
	{413, "Content Too Large"},
	{415, "Unsupported Media Type"},
	{422, "Unprocessable Content"},
	{429, "Too Many Requests"},
	{500, "Internal Server Error"},
	{502, "Bad Gateway"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
};

void
response_init(struct response *rs)
{
	*rs = (struct response){.status = 500};
	buf_init(&rs->headers, HEADERS_MAX);
	buf_init(&rs->body, RESPONSE_MAX);
}

void
response_free(struct response *rs)
{
	if (rs == NULL)
		return;
	buf_free(&rs->headers);
	buf_free(&rs->body);
}

void
response_header(struct response *rs, const char *name, const char *value)
{
	/* the buffer is left as it was if the line does not fit, and stays usable */
	size_t room = rs->headers.max - rs->headers.len;

	if (strpbrk(name, "\r\n: ") != NULL || strpbrk(value, "\r\n") != NULL)
		return;
	if (strlen(name) + strlen(value) + 4 > room) {
		log_write(LOG_WARN, "header dropped", LOG_STR("name", name));
		return;
	}
	buf_printf(&rs->headers, "%s: %s\r\n", name, value);
}

static bool
has_header(const struct response *rs, const char *name)
{
	const char *line = buf_str(&rs->headers);
	size_t n = strlen(name);

	for (; *line != '\0'; line = strchr(line, '\n') + 1)
		if (strncasecmp(line, name, n) == 0 && line[n] == ':')
			return true;
	return false;
}

static void
begin(struct response *rs, int status, const char *content_type)
{
	buf_reset(&rs->body);
	rs->status = status;
	rs->content_type = content_type;
	if (!has_header(rs, "Cache-Control"))
		response_header(rs, "Cache-Control", "no-store");
}

/* Back to the state after response_init: what was prepared must not be sent. */
static void
forget(struct response *rs)
{
	buf_reset(&rs->headers);
	buf_reset(&rs->body);
	rs->status = 500;
	rs->content_type = NULL;
}

static int
dump_piece(const char *piece, size_t size, void *body)
{
	return buf_add(body, piece, size) ? 0 : -1;
}

void
response_json(struct response *rs, int status, json_t *taken)
{
	/* 17 digits would show 2.67 as 2.6699999999999999 */
	const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15);

	begin(rs, status, "application/json");
	if (taken == NULL ||
		json_dump_callback(taken, dump_piece, &rs->body, flags) != 0) {
		log_write(LOG_ERROR, "response not built",
			LOG_STR("reason",
				taken == NULL ? "no JSON value" : "JSON dump"));
		forget(rs);
	}
	json_decref(taken);
}

void
response_bytes(struct response *rs, int status, const char *content_type, const void *p,
	size_t n)
{
	begin(rs, status, content_type);
	if (!buf_add(&rs->body, p, n)) {
		log_write(LOG_ERROR, "response not built",
			LOG_STR("reason", "too large"));
		forget(rs);
	}
}

/* Appends `"name":"text"` and, unless last, a comma. */
static void
member(struct buf *b, const char *name, const char *text, bool last)
{
	buf_printf(b, "\"%s\":\"", name);
	buf_json(b, text, strlen(text));
	buf_puts(b, last ? "\"" : "\",");
}

static void
problem_headers(struct response *rs, enum problem p, const struct problem_info *info)
{
	char seconds[16];

	if (info->retry_after > 0) {
		snprintf(seconds, sizeof(seconds), "%d", info->retry_after);
		response_header(rs, "Retry-After", seconds);
	}
	/* RFC 9110 section 15.5.2: a 401 names at least one challenge */
	if (p == PROBLEM_BAD_SIGNATURE)
		response_header(rs, "WWW-Authenticate", "HMAC realm=\"webhook\"");
	else if (info->status == 401)
		response_header(rs, "WWW-Authenticate", "Bearer realm=\"wapool\"");
}

static void
write_problem(struct response *rs, const struct request *rq, enum problem p,
	const char *detail, const json_t *faults)
{
	const struct problem_info *info = problem_info(p);
	enum lang lang = rq != NULL ? rq->lang : LANG_PT;
	struct buf *b = &rs->body;
	bool built = true;

	forget(rs);
	begin(rs, info->status, "application/problem+json");
	problem_headers(rs, p, info);
	if (detail == NULL)
		detail = info->detail[lang];
	buf_printf(b, "{\"type\":\"urn:wapool:problem:%s\",", info->code);
	member(b, "title", info->title[lang], false);
	buf_printf(b, "\"status\":%d,", info->status);
	member(b, "detail", detail, false);
	member(b, "instance", rq != NULL ? rq->path : "", false);
	member(b, "error", info->title[lang], false);
	member(b, "message", detail, false);
	if (faults != NULL) {
		buf_puts(b, "\"errors\":");
		built = json_dump_callback(faults, dump_piece, b, JSON_COMPACT) == 0;
		buf_putc(b, ',');
	}
	member(b, "requestId", rq != NULL ? rq->id : "", true);
	buf_putc(b, '}');
	if (b->failed || !built)
		forget(rs);
}

void
response_problem(struct response *rs, const struct request *rq, enum problem p,
	const char *detail)
{
	write_problem(rs, rq, p, detail, NULL);
}

bool
response_invalid(struct response *rs, const struct request *rq, const char *pointer,
	enum message want)
{
	const char *detail = message_text(want, rq->lang);
	json_t *faults =
		json_pack("[{s:s, s:s}]", "pointer", pointer, "detail", detail);

	write_problem(rs, rq, PROBLEM_INVALID, detail, faults);
	json_decref(faults);
	return false;
}

void
response_invalid_all(
	struct response *rs, const struct request *rq, const json_t *faults)
{
	const json_t *first = json_array_get(faults, 0);

	write_problem(rs, rq, PROBLEM_INVALID,
		json_string_value(json_object_get(first, "detail")), faults);
}

static enum problem
problem_of(const struct err *e)
{
	switch (e->code) {
	case ERR_INPUT:
		return e->status == 415 ? PROBLEM_MEDIA_TYPE : PROBLEM_BAD_JSON;
	case ERR_UNAUTHORIZED:
		return PROBLEM_UNAUTHORIZED;
	case ERR_NOT_FOUND:
		return PROBLEM_NOT_FOUND;
	case ERR_CONFLICT:
		return PROBLEM_CONFLICT;
	case ERR_TIMEOUT:
	case ERR_UNAVAILABLE:
		return PROBLEM_UNAVAILABLE;
	case ERR_BLOCKED:
	case ERR_PROTOCOL:
		return PROBLEM_GATEWAY;
	case ERR_TOO_LARGE:
		/* the client's own body met its limit long before: it was a peer's */
		return e->status != 0 ? PROBLEM_GATEWAY : PROBLEM_INTERNAL;
	case ERR_NONE:
	case ERR_CONFIG:
	case ERR_NOMEM:
	case ERR_INTERNAL:
		break;
	}
	return PROBLEM_INTERNAL;
}

void
response_error(struct response *rs, const struct request *rq, const struct err *e)
{
	enum problem p = problem_of(e);
	bool ours = problem_info(p)->status >= 500;
	bool input = e->code == ERR_INPUT;
	char detail[600];

	/* an input's text may quote what was sent: the client sees it, the
	 * log does not */
	log_write(ours ? LOG_ERROR : LOG_INFO, "refused",
		LOG_STR("kind", err_name(e->code)),
		LOG_STR("reason", input ? "" : e->text),
		LOG_STR("sqlstate", e->sqlstate), LOG_INT("peerStatus", e->status));
	if (input && e->text[0] != '\0' && rq->lang == LANG_EN) {
		response_problem(rs, rq, p, e->text);
	} else if (input && e->text[0] != '\0' && p == PROBLEM_BAD_JSON) {
		/* the sentence in the caller's language, then where, as the parser says it */
		snprintf(detail, sizeof(detail), "%s (%s)",
			problem_info(p)->detail[LANG_PT], e->text);
		response_problem(rs, rq, p, detail);
	} else {
		response_problem(rs, rq, p, NULL);
	}
}

static const char *
reason_of(int status)
{
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

json_t *
response_or_json(struct response *rs, const struct request *rq, bool empty_ok)
{
	struct err e = ERR_INIT;
	json_t *body = request_json(rq, empty_ok, &e);

	if (body == NULL)
		response_error(rs, rq, &e);
	return body;
}

bool
response_render(const struct response *rs, bool head_only, struct buf *out)
{
	/* RFC 9110 section 8.6: no Content-Length with these */
	bool bodyless = rs->status == 204 || rs->status == 304 || rs->status < 200;

	if (rs->headers.failed || rs->body.failed)
		return false;
	buf_printf(out, "Status: %d %s\r\n", rs->status, reason_of(rs->status));
	if (rs->content_type != NULL && !bodyless)
		buf_printf(out, "Content-Type: %s\r\n", rs->content_type);
	if (!bodyless)
		buf_printf(out, "Content-Length: %zu\r\n", rs->body.len);
	buf_add(out, buf_str(&rs->headers), rs->headers.len);
	buf_puts(out, "\r\n");
	if (!head_only && !bodyless)
		buf_add(out, buf_str(&rs->body), rs->body.len);
	return !out->failed;
}
