/* The bodies of requests: strict JSON, refused with a sentence that says where. */
#include <string.h>

#include "lib/request.h"
#include "lib/utf8.h"

#define DEPTH_MAX 16

/* What a text of n bytes may hold: a parsed value takes some sixty bytes and an empty object three
 * hundred, so "[{},{},..." would grow to a hundred times its size. What gateways send is
 * far below: a session of WAHA's has eight objects in four hundred bytes. */
#define CONTAINERS_MAX(n) (256 + (n) / 32)
#define VALUES_MAX(n) (1024 + (n) / 6)

/* Where byte number `at` stands, as an editor counts: from 1, in characters. */
static void
find_place(const char *bytes, size_t at, int *line, int *column)
{
	*line = 1;
	*column = 1;
	for (size_t i = 0; i < at; i++) {
		if (bytes[i] == '\n') {
			(*line)++;
			*column = 1;
		} else if ((bytes[i] & 0xc0) != 0x80) {
			(*column)++;
		}
	}
}

static bool
refuse_at(struct err *e, const char *bytes, size_t at, const char *why)
{
	int line, column;

	find_place(bytes, at, &line, &column);
	return err_set(e, ERR_INPUT, "line %d column %d: %s", line, column, why);
}

static bool
check_bytes(const char *bytes, size_t n, struct err *e)
{
	size_t len;

	for (size_t i = 0; i < n; i += len) {
		len = utf8_char(bytes + i, n - i);
		if (len == 0)
			return refuse_at(e, bytes, i, "invalid UTF-8");
		/* jansson 2.14 overlooks one behind a number */
		if (bytes[i] == '\0')
			return refuse_at(e, bytes, i, "a NUL byte");
	}
	return true;
}

/* jansson recurses once per level, on a thread's small stack, and builds all it meets:
 * count before it does. */
static bool
check_shape(const char *bytes, size_t n, struct err *e)
{
	size_t containers = 0, commas = 0;
	bool in_string = false;
	int depth = 0;

	for (size_t i = 0; i < n; i++) {
		char c = bytes[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > DEPTH_MAX)
				return refuse_at(
					e, bytes, i, "nested deeper than 16 levels");
			containers++;
		} else if (c == ',') {
			commas++;
		} else if (c == '}' || c == ']') {
			depth--;
		}
		if (containers > CONTAINERS_MAX(n) ||
			containers + commas > VALUES_MAX(n))
			return refuse_at(e, bytes, i, "too many values for its length");
	}
	return true;
}

/* jansson's sentence without its quotation of the input and its advice to developers */
static bool
refuse_parsed(struct err *e, const json_error_t *je)
{
	static const char *const tails[] = {" near '", " without JSON_"};
	size_t n = strnlen(je->text, sizeof(je->text));
	const char *tail;

	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		tail = strstr(je->text, tails[i]);
		if (tail != NULL && (size_t)(tail - je->text) < n)
			n = (size_t)(tail - je->text);
	}
	return err_set(e, ERR_INPUT, "line %d column %d: %.*s",
		je->line > 0 ? je->line : 1, je->column > 0 ? je->column : 1, (int)n,
		je->text);
}

json_t *
json_parse_strict(const char *bytes, size_t n, struct err *e)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_ANY;
	json_error_t je;
	json_t *v;

	if (n == 0) {
		err_set(e, ERR_INPUT, "line 1 column 1: nothing there");
		return NULL;
	}
	if (!check_bytes(bytes, n, e) || !check_shape(bytes, n, e))
		return NULL;
	v = json_loadb(bytes, n, flags, &je);
	if (v == NULL && json_error_code(&je) == json_error_out_of_memory)
		err_set(e, ERR_NOMEM, "out of memory");
	else if (v == NULL)
		refuse_parsed(e, &je);
	return v;
}

static bool
is_json_type(const char *type)
{
	/* the second of a PATCH (RFC 7396) */
	static const char *const wanted[] = {
		"application/json", "application/merge-patch+json"};

	for (int i = 0; i < 2; i++) {
		size_t n = strlen(wanted[i]);

		if (strncasecmp(type, wanted[i], n) == 0 &&
			strchr("; \t", type[n]) != NULL)
			return true;
	}
	return false;
}

json_t *
request_json(const struct request *rq, bool empty_ok, struct err *e)
{
	const char *type = request_header(rq, "Content-Type");
	json_t *v;

	if (rq->body.len == 0) {
		if (empty_ok)
			return json_object();
		err_set(e, ERR_INPUT, "The body is empty; a JSON object is expected.");
		return NULL;
	}
	if (type != NULL && !is_json_type(type)) {
		if (!err_isset(e) && e != NULL)
			e->status = 415;
		err_set(e, ERR_INPUT, "The body must be sent as application/json.");
		return NULL;
	}
	v = json_parse_strict(buf_str(&rq->body), rq->body.len, e);
	if (v != NULL && !json_is_object(v)) {
		err_set(e, ERR_INPUT, "line 1 column 1: a JSON object is expected");
		json_decref(v);
		v = NULL;
	}
	return v;
}
