#include "lib/news.h"

#include <string.h>

#define SQLSTATE "WLIVE"
#define KEPT_MAX (1u << 20) /* a look at 5,000 sessions that all changed */

void
news_init(struct news *n, news_sink *sink, void *arg)
{
	*n = (struct news){.sink = sink, .arg = arg};
	buf_init(&n->kept, KEPT_MAX);
}

void
news_take(void *arg, const PGresult *message)
{
	struct news *n = arg;
	const char *state = PQresultErrorField(message, PG_DIAG_SQLSTATE);
	const char *json = PQresultErrorField(message, PG_DIAG_MESSAGE_PRIMARY);
	const char *user = PQresultErrorField(message, PG_DIAG_MESSAGE_DETAIL);
	const char *type = PQresultErrorField(message, PG_DIAG_MESSAGE_HINT);

	if (n->sink == NULL || state == NULL || strcmp(state, SQLSTATE) != 0 ||
		json == NULL || user == NULL || type == NULL)
		return;
	/* all of it or, if it does not fit, nothing */
	buf_printf(&n->kept, "%s%c%s%c%s%c", user, '\0', type, '\0', json, '\0');
}

void
news_pass_on(struct news *n)
{
	const char *at = buf_str(&n->kept), *end = at + n->kept.len;

	while (at < end) {
		const char *user = at, *type = user + strlen(user) + 1;
		const char *json = type + strlen(type) + 1;

		n->sink(n->arg, user, type, json);
		at = json + strlen(json) + 1;
	}
	buf_reset(&n->kept);
}

void
news_drop(struct news *n)
{
	buf_free(&n->kept);
}
