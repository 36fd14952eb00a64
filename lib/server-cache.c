#include "lib/server-cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <strings.h>

#include "lib/server.h"

#define SLOTS 256 /* servers remembered at a time; a slot keeps the last one read */

struct server_entry {
	struct server *server;
	int64_t loaded_ms;
	int users; /* requests that hold it, and its slot; guarded by lock */
};

struct server_cache {
	pthread_mutex_t lock;
	struct server_entry *slot[SLOTS]; /* guarded by lock */
};

struct server_cache *
server_cache_new(void)
{
	struct server_cache *c = calloc(1, sizeof(*c));

	if (c != NULL)
		pthread_mutex_init(&c->lock, NULL);
	return c;
}

static void
entry_free(struct server_entry *entry)
{
	server_free(entry->server);
	free(entry);
}

void
server_cache_free(struct server_cache *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		if (c->slot[i] != NULL)
			entry_free(c->slot[i]);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* The same for an id in capitals, as PostgreSQL takes it too. */
static struct server_entry **
slot_of(struct server_cache *c, const char *id)
{
	unsigned hash = 0;

	for (; *id != '\0'; id++)
		hash = hash * 31 + ((unsigned char)*id | 0x20);
	return &c->slot[hash % SLOTS];
}

static struct server_entry *
recall(struct server_cache *c, const char *id)
{
	struct server_entry *entry;

	pthread_mutex_lock(&c->lock);
	entry = *slot_of(c, id);
	if (entry != NULL && strcasecmp(entry->server->id, id) == 0 &&
		clock_ms() - entry->loaded_ms < SERVER_CACHE_MS)
		entry->users++;
	else
		entry = NULL;
	pthread_mutex_unlock(&c->lock);
	return entry;
}

/* Puts it in its slot, beside the request that holds it. */
static void
remember(struct server_cache *c, struct server_entry *entry)
{
	struct server_entry **slot, *old;

	pthread_mutex_lock(&c->lock);
	slot = slot_of(c, entry->server->id);
	old = *slot;
	*slot = entry;
	entry->users++;
	pthread_mutex_unlock(&c->lock);
	server_cache_put(c, old);
}

struct server_entry *
server_cache_get(
	struct app *app, const char *id, bool anew, deadline_t d, struct err *e)
{
	struct server_entry *entry = anew ? NULL : recall(app->servers, id);
	int64_t now = clock_ms();

	if (entry != NULL)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL) {
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	*entry = (struct server_entry){
		.server = server_load(app, id, d, e), .loaded_ms = now, .users = 1};
	if (entry->server == NULL) {
		free(entry);
		return NULL;
	}
	if (*entry->server->present_mark != '\0')
		remember(app->servers, entry);
	return entry;
}

const struct server *
server_of_entry(const struct server_entry *entry)
{
	return entry->server;
}

void
server_cache_put(struct server_cache *c, struct server_entry *entry)
{
	bool last;

	if (entry == NULL)
		return;
	pthread_mutex_lock(&c->lock);
	last = --entry->users == 0;
	pthread_mutex_unlock(&c->lock);
	if (last)
		entry_free(entry);
}
