#include "lib/err.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const names[] = {
	[ERR_NONE] = "none",
	[ERR_INPUT] = "input",
	[ERR_UNAUTHORIZED] = "unauthorized",
	[ERR_NOT_FOUND] = "not_found",
	[ERR_CONFLICT] = "conflict",
	[ERR_TOO_LARGE] = "too_large",
	[ERR_TIMEOUT] = "timeout",
	[ERR_UNAVAILABLE] = "unavailable",
	[ERR_BLOCKED] = "blocked",
	[ERR_PROTOCOL] = "protocol",
	[ERR_CONFIG] = "config",
	[ERR_NOMEM] = "nomem",
	[ERR_INTERNAL] = "internal",
};

bool
err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	if (e == NULL || e->code != ERR_NONE)
		return false;
	e->code = code;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	/* libpq and curl end some of their messages with a newline */
	for (char *p = e->text; *p != '\0'; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	return false;
}

void
err_pass(struct err *e, const struct err *why)
{
	if (e != NULL && e->code == ERR_NONE)
		*e = *why;
}

bool
err_isset(const struct err *e)
{
	return e != NULL && e->code != ERR_NONE;
}

void
err_clear(struct err *e)
{
	if (e != NULL)
		*e = (struct err)ERR_INIT;
}

const char *
err_name(enum err_code code)
{
	if ((unsigned)code >= sizeof(names) / sizeof(names[0]))
		return "unknown";
	return names[code];
}
