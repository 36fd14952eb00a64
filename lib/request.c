#include "lib/request.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/utf8.h"

#define ID_MIN 8
#define NAME_MAX_BYTES 64 /* of a header or a query parameter that is asked for */

const char *
request_env(const struct request *rq, const char *name)
{
	size_t n = strlen(name);

	for (char *const *v = rq->env; *v != NULL; v++)
		if (strncmp(*v, name, n) == 0 && (*v)[n] == '=')
			return *v + n + 1;
	return NULL;
}

const char *
request_header(const struct request *rq, const char *name)
{
	char var[sizeof("HTTP_") + NAME_MAX_BYTES] = "HTTP_";
	size_t n = 5;
	const char *value;
	bool bare;

	for (; *name != '\0'; name++) {
		if (n == sizeof(var) - 1)
			return NULL;
		var[n++] = *name == '-' ? '_' : (char)toupper((unsigned char)*name);
	}
	var[n] = '\0';
	/* RFC 3875 gives these two no prefix, and nginx sends them empty when absent */
	bare = strcmp(var, "HTTP_CONTENT_TYPE") == 0 ||
		strcmp(var, "HTTP_CONTENT_LENGTH") == 0;
	value = request_env(rq, bare ? var + 5 : var);
	return bare && value != NULL && *value == '\0' ? NULL : value;
}

/* What lies between the list's commas, with the weight that stands behind ";q=". */
struct weighted {
	const char *value;
	size_t len;
	int q; /* thousandths */
};

/* RFC 9110 section 12.4.2; what is no weight counts as "not acceptable". */
static int
parse_q(const char *s, size_t n)
{
	int q, unit = 100;

	if (n == 0 || n > 5 || (s[0] != '0' && s[0] != '1') || (n > 1 && s[1] != '.'))
		return 0;
	q = (s[0] - '0') * 1000;
	for (size_t i = 2; i < n; i++, unit /= 10) {
		if (!isdigit((unsigned char)s[i]))
			return 0;
		q += (s[i] - '0') * unit;
	}
	return q > 1000 ? 0 : q;
}

static void
parse_element(const char *s, size_t n, struct weighted *w)
{
	const char *semi = memchr(s, ';', n), *end = s + n;

	w->value = s;
	w->len = semi != NULL ? (size_t)(semi - s) : n;
	w->q = 1000;
	while (w->len > 0 && isspace((unsigned char)s[w->len - 1]))
		w->len--;
	while (semi != NULL) {
		const char *param = semi + 1, *stop;

		semi = memchr(param, ';', (size_t)(end - param));
		stop = semi != NULL ? semi : end;
		while (param < stop && isspace((unsigned char)*param))
			param++;
		while (stop > param && isspace((unsigned char)stop[-1]))
			stop--;
		if (stop - param >= 2 && strncasecmp(param, "q=", 2) == 0)
			w->q = parse_q(param + 2, (size_t)(stop - param - 2));
	}
}

/* Takes the next element off *list; false at its end. */
static bool
next_weighted(const char **list, struct weighted *w)
{
	const char *s = *list;
	size_t n;

	while (*s == ',' || isspace((unsigned char)*s))
		s++;
	if (*s == '\0')
		return false;
	n = strcspn(s, ",");
	*list = s + n;
	parse_element(s, n, w);
	return true;
}

static bool
is_language(const struct weighted *w, const char *primary)
{
	return w->len >= 2 && strncasecmp(w->value, primary, 2) == 0 &&
		(w->len == 2 || w->value[2] == '-');
}

static enum lang
choose_lang(const char *accept)
{
	int pt = -1, en = -1, any = 0;
	struct weighted w;

	while (next_weighted(&accept, &w)) {
		if (is_language(&w, "pt"))
			pt = w.q > pt ? w.q : pt;
		else if (is_language(&w, "en"))
			en = w.q > en ? w.q : en;
		else if (w.len == 1 && w.value[0] == '*')
			any = w.q;
	}
	if (pt < 0)
		pt = any;
	if (en < 0)
		en = any;
	return en > pt ? LANG_EN : LANG_PT;
}

/* How well an Accept list suits a media type: the most specific range decides. */
static int
media_quality(const char *accept, const char *type)
{
	size_t n = strlen(type), major = strcspn(type, "/") + 1;
	int best = 0, q = 0, rank;
	struct weighted w;

	while (next_weighted(&accept, &w)) {
		if (w.len == n && strncasecmp(w.value, type, n) == 0)
			rank = 3;
		else if (w.len == major + 1 && w.value[major] == '*' &&
			strncasecmp(w.value, type, major) == 0)
			rank = 2;
		else if (w.len == 3 && strncmp(w.value, "*/*", 3) == 0)
			rank = 1;
		else
			continue;
		if (rank > best || (rank == best && w.q > q)) {
			best = rank;
			q = w.q;
		}
	}
	return q;
}

bool
request_prefers(const struct request *rq, const char *type, const char *other)
{
	const char *accept = request_header(rq, "Accept");

	return accept != NULL &&
		media_quality(accept, type) > media_quality(accept, other);
}

static void
choose_id(struct request *rq)
{
	const char *given = request_env(rq, "REQUEST_ID");
	size_t n = given != NULL ? strlen(given) : 0;
	unsigned char random[16] = {0};
	ssize_t ignored;

	if (n >= ID_MIN && n < sizeof(rq->id) &&
		strspn(given,
			"0123456789abcdefghijklmnopqrstuvwxyz"
			"ABCDEFGHIJKLMNOPQRSTUVWXYZ-") == n) {
		memcpy(rq->id, given, n + 1);
		return;
	}
	ignored = getrandom(random, sizeof(random), 0);
	(void)ignored; /* an id names a request, it protects nothing */
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(rq->id + 2 * i, 3, "%02x", random[i]);
}

static const char *
env_or_empty(const struct request *rq, const char *name)
{
	const char *value = request_env(rq, name);

	return value != NULL ? value : "";
}

static const char *
choose_path(struct request *rq)
{
	const char *path = request_env(rq, "DOCUMENT_URI");
	int n;

	if (path != NULL)
		return path;
	/* a web server other than nginx: RFC 3875 splits the path in two */
	n = snprintf(rq->joined, sizeof(rq->joined), "%s%s",
		env_or_empty(rq, "SCRIPT_NAME"), env_or_empty(rq, "PATH_INFO"));
	return n >= 0 && (size_t)n < sizeof(rq->joined) ? rq->joined : "";
}

void
request_init(struct request *rq, char *const *env)
{
	const char *accept;

	*rq = (struct request){.env = env};
	rq->method = env_or_empty(rq, "REQUEST_METHOD");
	rq->query = env_or_empty(rq, "QUERY_STRING");
	rq->path = choose_path(rq);
	choose_id(rq);
	accept = request_header(rq, "Accept-Language");
	rq->lang = choose_lang(accept != NULL ? accept : "");
	buf_init(&rq->body, 0);
}

void
request_free(struct request *rq)
{
	if (rq != NULL)
		buf_free(&rq->body);
}

/* Copies the path's segment of n bytes as argument number arg. */
static bool
take_arg(struct request *rq, size_t arg, const char *segment, size_t n)
{
	/* PostgreSQL refuses invalid UTF-8, and nothing of ours has such a name */
	if (arg >= REQUEST_ARGS || n == 0 || n > REQUEST_ARG_MAX ||
		!utf8_valid(segment, n))
		return false;
	memcpy(rq->args[arg], segment, n);
	rq->args[arg][n] = '\0';
	return true;
}

bool
request_match(struct request *rq, const char *pattern)
{
	const char *path = rq->path;
	size_t n, arg = 0;

	while (*pattern != '\0') {
		if (*pattern == '{') {
			n = strcspn(path, "/");
			if (!take_arg(rq, arg++, path, n))
				return false;
			path += n;
			pattern += strcspn(pattern, "}");
			pattern += *pattern == '}';
		} else if (*pattern++ != *path++) {
			return false; /* also at the path's end, which is a NUL */
		}
	}
	return *path == '\0';
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes n bytes of application/x-www-form-urlencoded; false if badly encoded, holding
 * a NUL, no UTF-8, or longer than out. */
static bool
form_decode(const char *s, size_t n, char *out, size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		char c = s[i] == '+' ? ' ' : s[i];

		if (c == '%') {
			if (n - i < 3 || hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0)
				return false;
			c = (char)(hex(s[i + 1]) << 4 | hex(s[i + 2]));
			i += 2;
		}
		if (c == '\0' || len + 1 >= size)
			return false;
		out[len++] = c;
	}
	out[len] = '\0';
	return utf8_valid(out, len);
}

/* The raw value of the query's first parameter of that name, *n bytes;
 * NULL if absent. */
static const char *
find_query(const struct request *rq, const char *name, size_t *n)
{
	const char *s = rq->query;
	char key[NAME_MAX_BYTES];
	size_t len, key_len;

	for (; *s != '\0'; s += len + (s[len] == '&')) {
		len = strcspn(s, "&");
		key_len = strcspn(s, "&=");
		if (!form_decode(s, key_len, key, sizeof(key)) ||
			strcmp(key, name) != 0)
			continue;
		*n = key_len < len ? len - key_len - 1 : 0;
		return s + len - *n;
	}
	return NULL;
}

bool
request_if_match(const struct request *rq, int64_t revision)
{
	const char *p = request_header(rq, "If-Match");
	char etag[32];

	if (p == NULL)
		return true;
	snprintf(etag, sizeof(etag), "\"%lld\"", (long long)revision);
	for (p += strspn(p, ", \t"); *p != '\0'; p += strspn(p, ", \t")) {
		size_t n = strcspn(p, ", \t");

		if ((n == 1 && *p == '*') ||
			(n == strlen(etag) && memcmp(p, etag, n) == 0))
			return true;
		p += n;
	}
	return false;
}

bool
request_query_has(const struct request *rq, const char *name)
{
	size_t n;

	return find_query(rq, name, &n) != NULL;
}

bool
request_query(const struct request *rq, const char *name, char *out, size_t size)
{
	size_t n = 0;
	const char *value = find_query(rq, name, &n);

	if (size > 0 && value != NULL && form_decode(value, n, out, size))
		return true;
	if (size > 0)
		out[0] = '\0';
	return false;
}

static bool
is_one_of(const char *word, const char *const *words)
{
	while (*words != NULL && strcmp(word, *words) != 0)
		words++;
	return *words != NULL;
}

bool
request_query_word(const struct request *rq, const char *name, const char *const *words,
	char *out, size_t size)
{
	return !request_query_has(rq, name) ||
		(request_query(rq, name, out, size) &&
			(words == NULL || is_one_of(out, words)));
}

bool
request_query_digits(const struct request *rq, const char *name, char *out, size_t size)
{
	return !request_query_has(rq, name) ||
		(request_query(rq, name, out, size) && *out != '\0' &&
			out[strspn(out, "0123456789")] == '\0');
}

bool
request_query_int(
	const struct request *rq, const char *name, int least, int most, int *out)
{
	char text[10] = ""; /* what fits is no more than an int holds */

	if (!request_query_digits(rq, name, text, sizeof(text)))
		return false;
	if (*text != '\0')
		*out = (int)strtol(text, NULL, 10);
	return *text == '\0' || (*out >= least && *out <= most);
}
