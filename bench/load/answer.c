#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/load/load.h"

/* The value of a header between `head` and `end`, or NULL. */
static const char *
header(const char *head, const char *end, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = head; p != NULL && p < end; p = strstr(p, "\r\n")) {
		p += p == head ? 0 : 2;
		if (strncasecmp(p, name, n) == 0 && p[n] == ':')
			return p + n + 1 + strspn(p + n + 1, " ");
	}
	return NULL;
}

/* The length of a chunked body, 0 while it is not complete, -1 if it is malformed. */
static long
chunked_length(const char *body, size_t len)
{
	size_t at = 0;

	for (;;) {
		const char *line = body + at;
		char *end;
		unsigned long n;

		if (memchr(line, '\n', len - at) == NULL)
			return 0;
		if (!isxdigit((unsigned char)*line)) /* strtoul takes a sign, too */
			return -1;
		n = strtoul(line, &end, 16);
		if ((*end != '\r' && *end != ';') || n > 1u << 30)
			return -1;
		at = (size_t)((const char *)memchr(line, '\n', len - at) + 1 - body);
		if (at + n + 2 > len)
			return 0;
		at += n + 2;
		if (n == 0)
			return (long)at;
	}
}

/* Three digits and what ends them. */
static bool
status_of(const char *p, int *status)
{
	if (strspn(p, "0123456789") != 3 || (p[3] != ' ' && p[3] != '\r'))
		return false;
	*status = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
	return true;
}

/* The value of a Content-Length, -1 if it is none. */
static long
body_length(const char *value)
{
	size_t digits = strspn(value, "0123456789");

	if (digits == 0 || digits > 10 || value[digits] != '\r')
		return -1;
	return strtol(value, NULL, 10);
}

long
answer_length(const char *in, size_t len, int *status, const char **body, bool *last)
{
	const char *end = len < 16 ? NULL : strstr(in, "\r\n\r\n");
	const char *length, *coding, *connection;
	size_t head;
	long n;

	if (end == NULL)
		return 0;
	if (strncmp(in, "HTTP/1.1 ", 9) != 0)
		return -1;
	if (!status_of(in + 9, status))
		return -1;
	head = (size_t)(end + 4 - in);
	*body = in + head;
	connection = header(in, end, "Connection");
	*last = connection != NULL && strncasecmp(connection, "close", 5) == 0;
	length = header(in, end, "Content-Length");
	coding = header(in, end, "Transfer-Encoding");
	if (*status == 204 || *status == 304)
		return (long)head;
	if (coding != NULL) {
		n = chunked_length(*body, len - head);
		return n <= 0 ? n : (long)head + n;
	}
	if (length == NULL)
		return -1;
	n = body_length(length);
	if (n < 0)
		return -1;
	return head + (size_t)n <= len ? (long)head + n : 0;
}
