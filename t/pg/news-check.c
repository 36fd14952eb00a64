/* lib/news against a real PostgreSQL: what is told, when, and to whom. t/db.t runs it. */
#include "lib/news.h"

#include <stdlib.h>
#include <string.h>

#include "t/pg/pg.h"

static const struct db_stmt stmt_tell = {"tell",
	"SELECT live_tell('0b5e4a3c-7f43-4d92-9a52-6f1f1f0c7a01', "
	"'77b41837-946c-42ac-bcf0-cd1ff38ff3bc', $1, 'WORKING', NULL, NULL)",
	1};
static const struct db_stmt stmt_tell_and_fail = {"tell_and_fail",
	"SELECT live_tell('0b5e4a3c-7f43-4d92-9a52-6f1f1f0c7a01', "
	"'77b41837-946c-42ac-bcf0-cd1ff38ff3bc', $1, 'WORKING', NULL, NULL), 1 / "
	"(SELECT 0)",
	1};

static const struct db_stmt stmt_page = {"page",
	"SELECT stream_begins('0b5e4a3c-7f43-4d92-9a52-6f1f1f0c7a01', 'infinity')", 0};
static const struct db_stmt stmt_no_page = {"no_page", "DELETE FROM stream_ends", 0};

/* What was heard: types, a space after each. */
static void
hear(void *arg, const char *user, const char *type, const char *json)
{
	ck_assert_str_eq(user, "0b5e4a3c-7f43-4d92-9a52-6f1f1f0c7a01");
	ck_assert_ptr_nonnull(strstr(json, type));
	ck_assert(buf_printf(arg, "%s ", type));
}

static void
run(struct db_conn *c, const struct db_stmt *s)
{
	struct err e = ERR_INIT;
	PGresult *r = db_exec(c, deadline_in(AMPLE), s, NULL, &e);

	ck_assert_msg(r != NULL, "%s", e.text);
	PQclear(r);
}

/* A connection that hears of a user who has a page open. */
static struct db_conn *
listener(struct db_pool *p, struct buf *heard)
{
	struct db_conn *c;

	db_pool_news(p, hear, heard);
	c = pg_get(p);
	run(c, &stmt_page);
	return c;
}

static void
tell(struct db_conn *c, const char *type)
{
	struct err e = ERR_INIT;
	PGresult *r = db_exec(c, deadline_in(AMPLE), &stmt_tell, &type, &e);

	ck_assert_msg(r != NULL, "%s", e.text);
	PQclear(r);
}

START_TEST(news_are_passed_on_after_the_commit)
{
	struct db_pool *p = pg_pool(1, AMPLE);
	struct err e = ERR_INIT;
	struct db_conn *c;
	struct buf heard;

	buf_init(&heard, 200);
	c = listener(p, &heard);
	tell(c, "alone");
	ck_assert_str_eq(buf_str(&heard), "alone ");
	ck_assert(db_begin(c, deadline_in(AMPLE), &e));
	tell(c, "one");
	tell(c, "two");
	ck_assert_str_eq(buf_str(&heard), "alone ");
	ck_assert(db_commit(c, deadline_in(AMPLE), &e));
	ck_assert_str_eq(buf_str(&heard), "alone one two ");
	db_put(p, c);
	db_pool_free(p);
	buf_free(&heard);
}
END_TEST

START_TEST(what_is_undone_is_no_news)
{
	const char *param = "failed";
	struct db_pool *p = pg_pool(1, AMPLE);
	struct err e = ERR_INIT;
	struct db_conn *c;
	struct buf heard;

	buf_init(&heard, 200);
	c = listener(p, &heard);
	ck_assert(db_begin(c, deadline_in(AMPLE), &e));
	tell(c, "undone");
	db_rollback(c, deadline_in(AMPLE));
	ck_assert_ptr_null(
		db_exec(c, deadline_in(AMPLE), &stmt_tell_and_fail, &param, &e));
	ck_assert_str_eq(buf_str(&heard), "");
	tell(c, "after");
	ck_assert_str_eq(buf_str(&heard), "after ");
	ck_assert(db_begin(c, deadline_in(AMPLE), NULL));
	tell(c, "left open");
	db_put(p, c); /* closed: it was in the middle of something */
	ck_assert_str_eq(buf_str(&heard), "after ");
	db_pool_free(p);
	buf_free(&heard);
}
END_TEST

START_TEST(what_is_too_large_is_left_out_and_no_more)
{
	const size_t size = 1200000;
	char *large = malloc(size + 1);
	struct db_pool *p = pg_pool(1, AMPLE);
	struct db_conn *c;
	struct buf heard;

	ck_assert_ptr_nonnull(large);
	memset(large, 'x', size);
	large[size] = '\0';
	buf_init(&heard, 200);
	c = listener(p, &heard);
	tell(c, large);
	ck_assert_str_eq(buf_str(&heard), "");
	tell(c, "after");
	ck_assert_str_eq(buf_str(&heard), "after ");
	db_put(p, c);
	db_pool_free(p);
	buf_free(&heard);
	free(large);
}
END_TEST

START_TEST(who_has_no_page_open_is_not_told_of)
{
	struct db_pool *p = pg_pool(1, AMPLE);
	struct db_conn *c;
	struct buf heard;

	buf_init(&heard, 200);
	c = listener(p, &heard);
	run(c, &stmt_no_page);
	tell(c, "unheard");
	run(c, &stmt_page);
	tell(c, "heard");
	ck_assert_str_eq(buf_str(&heard), "heard ");
	db_put(p, c);
	db_pool_free(p);
	buf_free(&heard);
}
END_TEST

START_TEST(nobody_is_told_who_did_not_ask)
{
	struct db_pool *p = pg_pool(1, AMPLE);
	struct db_conn *c = pg_get(p);

	tell(c, "quiet");
	db_put(p, c);
	db_pool_free(p);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {news_are_passed_on_after_the_commit,
		what_is_undone_is_no_news, what_is_too_large_is_left_out_and_no_more,
		who_has_no_page_open_is_not_told_of, nobody_is_told_who_did_not_ask,
		NULL};

	return pg_main(unit_suite("news", tests));
}
