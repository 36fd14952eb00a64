#include "lib/registry-query.h"

#define PAGE 20 /* servers, unless ?limit= says another number */

bool
registry_query(
	const struct request *rq, struct registry_query *q, struct registry_filter *f)
{
	static const char *const truths[] = {"true", "false", NULL};
	static const char *const healths[] = {"unknown", "up", "down", NULL};
	const struct {
		const char *name, **to;
		char *room;
		size_t size;
		const char *const *words; /* or NULL: any */
	} params[] = {
		{"ativo", &f->ativo, q->ativo, sizeof(q->ativo), truths},
		{"kind", &f->kind, q->kind, sizeof(q->kind), NULL},
		{"health", &f->health, q->health, sizeof(q->health), healths},
		{"user_id", &f->owner, q->owner, sizeof(q->owner), NULL},
		{"q", &f->text, q->text, sizeof(q->text), NULL},
		{"cursor", &f->cursor, q->cursor, sizeof(q->cursor), NULL},
	};

	*f = (struct registry_filter){.limit = PAGE};
	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		if (!request_query_has(rq, params[i].name))
			continue;
		if (!request_query_word(rq, params[i].name, params[i].words,
			    params[i].room, params[i].size) ||
			*params[i].room == '\0')
			return false;
		*params[i].to = params[i].room;
	}
	return request_query_int(rq, "limit", 1, REGISTRY_PAGE_MAX, &f->limit);
}
