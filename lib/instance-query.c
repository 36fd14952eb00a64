#include "lib/instance-query.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define PAGE 50 /* rows, unless ?limit= says another number */

bool
instance_query(const struct request *rq, struct instance_query *q,
	struct instance_filter *f, struct response *rs)
{
	static const char *const lifecycles[] = {
		"provisioning", "standby", "assigned", "recycling", "retired", NULL};
	static const char *const healths[] = {"healthy", "disconnected", "degraded",
		"stuck", "corrupted", "not_found", NULL};
	const struct {
		const char *name;
		char *to;
		size_t size;
		const char *const *words;
	} params[] = {
		{"lifecycle", q->lifecycle, sizeof(q->lifecycle), lifecycles},
		{"health", q->health, sizeof(q->health), healths},
		{"server", q->server, sizeof(q->server), NULL},
		{"status", q->status, sizeof(q->status), NULL},
		{"origin", q->origin, sizeof(q->origin), NULL},
		{"q", q->text, sizeof(q->text), NULL},
		{"cursor", q->cursor, sizeof(q->cursor), NULL},
	};

	*q = (struct instance_query){0};
	*f = (struct instance_filter){.lifecycle = q->lifecycle,
		.health = q->health,
		.server = q->server,
		.status = q->status,
		.origin = q->origin,
		.text = q->text,
		.cursor = q->cursor,
		.limit = PAGE};
	for (size_t k = 0; k < sizeof(params) / sizeof(params[0]); k++) {
		char pointer[16];

		if (request_query_word(rq, params[k].name, params[k].words,
			    params[k].to, params[k].size))
			continue;
		snprintf(pointer, sizeof(pointer), "/%s", params[k].name);
		return response_invalid(rs, rq, pointer, MSG_WANT_FILTER);
	}
	return request_query_int(rq, "limit", 1, INSTANCE_PAGE_MAX, &f->limit) ||
		response_invalid(rs, rq, "/limit", MSG_WANT_LIMIT);
}

/* Link: the same query with the next cursor (RFC 8288). */
void
instance_link_next(const struct request *rq, const char *path, const char *next,
	struct response *rs)
{
	struct buf link;
	const char *p = rq->query;

	buf_init(&link, 4096);
	buf_printf(&link, "<%s?", path);
	while (*p != '\0') {
		size_t n = strcspn(p, "&");

		for (size_t i = 0; n > 0 && strncmp(p, "cursor=", 7) != 0 && i <= n;
			i++)
			if (i == n)
				buf_putc(&link, '&');
			else if (isalnum((unsigned char)p[i]) ||
				strchr("-._~%=+:,@", p[i]) != NULL)
				buf_putc(&link, p[i]);
			else
				buf_printf(&link, "%%%02X", (unsigned char)p[i]);
		p += n + (p[n] == '&');
	}
	if (buf_printf(&link, "cursor=%s>; rel=\"next\"", next))
		response_header(rs, "Link", buf_str(&link));
	buf_free(&link);
}
