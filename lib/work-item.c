/* A leased item: claimed, opened, told what became of it. */
#include <string.h>

#include "lib/log.h"
#include "lib/server.h"
#include "lib/work-int.h"

#define BACKOFF_MS 2000 /* the longest wait after the first failure, doubling... */
#define BACKOFF_LONGEST_MS 60000 /* ...up to this */

enum {
	ID,
	NAME,
	SERVER_ID,
	LIFECYCLE,
	TOKEN,
	ATTEMPTS,
	GENERATION,
	EPOCH,
	NEXT_NAME,
	RETIRING
};

static const struct db_stmt stmt_server_failed = {
	"server_failed", "SELECT server_failed($1, $2)", 2};

static const struct db_stmt stmt_observe = {"work_observe",
	"SELECT instance_observe($1, $2::bigint, $3::bigint * interval '1 millisecond',"
	" $4, $5, $6)",
	6};

static const struct db_stmt stmt_release = {
	"work_release", "SELECT pool_release_epoch($1, $2::bigint, $3)", 3};

bool
work_run(struct app *app, const struct db_stmt *s, const char *const *params)
{
	struct err e = ERR_INIT;
	PGresult *r = db_query(
		app->db, deadline_in(app->config.db_timeout_ms), s, params, &e);
	bool yes = r != NULL && db_bool(r, 0, 0);

	if (r == NULL)
		log_write(LOG_WARN, "work.database", LOG_STR("statement", s->name),
			LOG_STR("error", e.text));
	PQclear(r);
	return yes;
}

bool
work_item_claim(struct app *app, const struct db_stmt *s, const char *const *params,
	struct work_item *it)
{
	struct err e = ERR_INIT;
	PGresult *r = db_query(
		app->db, deadline_in(app->config.db_timeout_ms), s, params, &e);
	bool got = r != NULL && PQntuples(r) > 0;

	*it = (struct work_item){.app = app, .deadline = deadline_in(WORK_ITEM_MS)};
	if (got) {
		db_copy(r, 0, ID, it->id, sizeof(it->id));
		db_copy(r, 0, NAME, it->name, sizeof(it->name));
		db_copy(r, 0, NEXT_NAME, it->next_name, sizeof(it->next_name));
		db_copy(r, 0, SERVER_ID, it->server_id, sizeof(it->server_id));
		it->recycling = strcmp(db_text(r, 0, LIFECYCLE), "recycling") == 0;
		it->retiring = db_bool(r, 0, RETIRING);
		db_copy(r, 0, TOKEN, it->token, sizeof(it->token));
		it->attempts = (int)db_int(r, 0, ATTEMPTS);
		it->generation = db_int(r, 0, GENERATION);
		it->epoch = db_int(r, 0, EPOCH);
	} else if (r == NULL) {
		log_write(LOG_WARN, "work.claim", LOG_STR("error", e.text));
	}
	PQclear(r);
	return got;
}

bool
work_item_open(struct work_item *it, struct err *e)
{
	it->server = server_load(it->app, it->server_id, it->deadline, e);
	if (it->server != NULL)
		it->gw = server_gateway(it->server);
	return it->server != NULL;
}

int64_t
work_backoff_ms(int attempts)
{
	int64_t most = BACKOFF_MS;

	for (int i = 1; i < attempts && most < BACKOFF_LONGEST_MS; i++)
		most *= 2;
	if (most > BACKOFF_LONGEST_MS)
		most = BACKOFF_LONGEST_MS;
	return most / 2 + clock_jitter((uint32_t)(most / 2));
}

void
work_server_failed(struct app *app, const char *server_id, const struct err *why)
{
	work_run(app, &stmt_server_failed, (const char *[]){server_id, why->text});
}

void
work_item_observe(struct work_item *it, const struct session *s, int64_t asked_ms)
{
	char generation[DB_PARAM_SIZE], age[DB_PARAM_SIZE];

	work_run(it->app, &stmt_observe,
		(const char *[]){it->id, db_param_int(generation, it->generation),
			db_param_int(age, clock_ms() - asked_ms), s->word,
			db_param_text(s->phone), db_param_text(s->profile)});
}

void
work_item_release(struct work_item *it, const char *reason)
{
	char epoch[DB_PARAM_SIZE];

	log_write(LOG_INFO, "work.released", LOG_STR("instance", it->name),
		LOG_STR("reason", reason));
	work_run(it->app, &stmt_release,
		(const char *[]){it->id, db_param_int(epoch, it->epoch), reason});
}

void
work_item_close(struct work_item *it)
{
	server_free(it->server);
}
