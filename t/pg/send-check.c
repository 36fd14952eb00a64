/*
 * lib/send against a real PostgreSQL and a gateway that answers by a script: each refusal
 * of its contract, and what is unknown. t/db.t runs this in a database of its own, whose
 * URL WAPOOL_TEST_DATABASE_URL holds.
 */
#include "lib/send.h"

#include <stdlib.h>
#include <string.h>

#include "lib/db.h"
#include "t/unit/fake-http.h"

#define AMPLE 20000 /* ms: longer than anything here takes */
#define SENT "{\"id\":\"true_5511988887777@c.us_3EB0\"}"

static const struct fake_step sent[] = {
	{FAKE_JSON, 201, SENT}, {FAKE_JSON, 201, SENT}, {FAKE_JSON, 201, SENT}};

static struct app app;
static struct fake gateway;
static PGconn *hand; /* what sets the scenes */

/* The first field, "" for none; kept until the next call. */
static const char *
sql(const char *text)
{
	static char field[200];
	PGresult *r = PQexec(hand, text);

	ck_assert_msg(r != NULL && PQresultStatus(r) <= PGRES_TUPLES_OK, "%s: %s", text,
		PQerrorMessage(hand));
	snprintf(field, sizeof(field), "%s",
		PQntuples(r) > 0 && !PQgetisnull(r, 0, 0) ? PQgetvalue(r, 0, 0) : "");
	PQclear(r);
	return field;
}

/* A gateway with that script, and ana with one connected device of it, "one". */
static void
begin(const struct fake_step *steps, int nsteps)
{
	struct err e = ERR_INIT;
	char text[300];

	fake_start(&gateway, steps, nsteps);
	ck_assert_msg(
		app_open(&app, "send-check", APP_DB | APP_HTTP, &e), "%s", e.text);
	hand = PQconnectdb(getenv("WAPOOL_TEST_DATABASE_URL"));
	ck_assert_int_eq(PQstatus(hand), CONNECTION_OK);
	sql("SET client_min_messages = warning; SET search_path = public, tap;"
	    "TRUNCATE users, instances CASCADE; DELETE FROM waha_servers;"
	    "UPDATE installation SET quiesced_at = NULL");
	sql("SELECT make('one', 'assigned', 'ana')");
	snprintf(text, sizeof(text),
		"UPDATE waha_servers SET rate_limit = 0, api_key = 'k', api_url = '%s'",
		gateway.url);
	sql(text);
	sql("UPDATE instances SET status = 'WORKING', paired_at = now(), device_id ="
	    " device_of(somebody('ana'), NULL)");
}

static void
end(void)
{
	PQfinish(hand);
	app_close(&app);
	fake_stop(&gateway);
}

struct outcome {
	bool ok;
	struct send_result result;
	struct send_refusal why;
	enum err_code code;
};

/* What comes of a wish of somebody's. */
static struct outcome
ask_within(int ms, const char *who, struct send_wish wish)
{
	struct err e = ERR_INIT;
	struct user u = {.email = ""};
	struct outcome o;
	char text[100];

	snprintf(text, sizeof(text), "SELECT somebody('%s')", who);
	snprintf(u.id, sizeof(u.id), "%.36s", sql(text));
	wish.chat = "5511988887777";
	wish.text = "Olá";
	o.ok = send_text(&app, &u, &wish, deadline_in(ms), &o.result, &o.why, &e);
	o.code = e.code;
	return o;
}

static struct outcome
ask(const char *who, struct send_wish wish)
{
	return ask_within(AMPLE, who, wish);
}

/* Refused so, in that sentence, and no gateway was asked. */
static void
refused(struct outcome o, enum problem problem, enum message detail)
{
	ck_assert(!o.ok);
	ck_assert_int_eq(o.why.problem, problem);
	ck_assert_int_eq(o.why.detail, detail);
	ck_assert_int_eq(fake_count(&gateway), 0);
	ck_assert_str_eq(sql("SELECT count(*) FROM messages"), "0");
}

/* The last message's state and the hour's count. */
static void
left_as(const char *want)
{
	ck_assert_str_eq(
		sql("SELECT (SELECT state FROM messages ORDER BY created_at DESC"
		    " LIMIT 1) || ' ' || msgs_enviadas_hora FROM instances"
		    " WHERE name = 'one'"),
		want);
}

/* --- sent */

START_TEST(a_message_is_sent_and_counted)
{
	struct outcome o;

	begin(sent, 3);
	o = ask("ana", (struct send_wish){0});
	ck_assert(o.ok);
	ck_assert_int_eq(o.result.state, SEND_SENT);
	ck_assert(!o.result.repeated);
	ck_assert_str_eq(o.result.instance, "one");
	ck_assert_ptr_nonnull(strstr(o.result.gateway_id, "3EB0"));
	ck_assert_int_eq(o.result.hour.limit, 20);
	ck_assert_int_eq(o.result.hour.used, 1);
	ck_assert_int_gt(o.result.hour.resets_s, 0);
	ck_assert_int_le(o.result.hour.resets_s, 3600);
	ck_assert_int_eq(o.result.day.limit, 100);
	ck_assert_ptr_nonnull(strstr(fake_body(&gateway, 0), "5511988887777@c.us"));
	left_as("sent 1");
	end();
}
END_TEST

START_TEST(a_key_is_sent_once)
{
	struct outcome first, second;

	begin(sent, 3);
	first = ask("ana", (struct send_wish){.key = "k"});
	second = ask("ana", (struct send_wish){.key = "k"});
	ck_assert(first.ok && second.ok && second.result.repeated);
	ck_assert_str_eq(first.result.message_id, second.result.message_id);
	ck_assert_int_eq(fake_count(&gateway), 1);
	left_as("sent 1");
	end();
}
END_TEST

/* --- refused */

START_TEST(without_a_device_there_is_nothing_to_send_with)
{
	begin(NULL, 0);
	refused(ask("bea", (struct send_wish){0}), PROBLEM_NO_INSTANCE,
		MSG_NO_DEVICE_YET);
	end();
}
END_TEST

START_TEST(a_disconnected_one_sends_nothing)
{
	struct outcome o;

	begin(NULL, 0);
	sql("UPDATE instances SET status = 'STARTING'");
	o = ask("ana", (struct send_wish){0});
	refused(o, PROBLEM_NO_INSTANCE, MSG_ALL_DISCONNECTED);
	ck_assert_int_eq(o.why.retry_after_s, 120);
	sql("UPDATE instances SET status = 'WORKING', missing_since = now()");
	refused(ask("ana", (struct send_wish){0}), PROBLEM_NO_INSTANCE,
		MSG_ALL_DISCONNECTED);
	sql("UPDATE instances SET status = 'STOPPED'; UPDATE installation SET"
	    " quiesced_at = now()");
	refused(ask("ana", (struct send_wish){0}), PROBLEM_MAINTENANCE,
		MSG_IN_MAINTENANCE);
	end();
}
END_TEST

START_TEST(what_is_used_up_says_until_when)
{
	struct outcome o;

	begin(NULL, 0);
	sql("UPDATE instances SET capacidade_hora = 0");
	o = ask("ana", (struct send_wish){0});
	refused(o, PROBLEM_QUOTA, MSG_HOUR_USED);
	ck_assert_int_gt(o.why.retry_after_s, 0);
	ck_assert_int_le(o.why.retry_after_s, 3600);
	sql("UPDATE instances SET capacidade_hora = 20, capacidade_dia = 0");
	o = ask("ana", (struct send_wish){0});
	refused(o, PROBLEM_QUOTA, MSG_DAY_USED);
	ck_assert_int_gt(o.why.retry_after_s, 0);
	ck_assert_int_le(o.why.retry_after_s, 25 * 3600);
	end();
}
END_TEST

START_TEST(anothers_device_is_not_there)
{
	char device[37];

	begin(NULL, 0);
	snprintf(device, sizeof(device), "%.36s", sql("SELECT id FROM devices"));
	refused(ask("bea", (struct send_wish){.device = device}),
		PROBLEM_DEVICE_NOT_FOUND, MSG__MAX);
	end();
}
END_TEST

START_TEST(of_several_one_must_be_named)
{
	struct outcome o;

	begin(NULL, 0);
	sql("SELECT make('two', 'standby'); UPDATE instances SET lifecycle = "
	    "'assigned',"
	    " assigned_to_user_id = somebody('ana'), device_id = device('ana', 'two')"
	    " WHERE name = 'two'");
	o = ask("ana", (struct send_wish){0});
	refused(o, PROBLEM_INVALID, MSG_WHICH_DEVICE);
	ck_assert_str_eq(o.why.pointer, "/deviceId");
	end();
}
END_TEST

START_TEST(a_client_of_another_kind_is_refused)
{
	struct outcome o;

	begin(NULL, 0);
	o = ask("ana", (struct send_wish){.client = "17"});
	refused(o, PROBLEM_INVALID, MSG_WANT_CLIENT);
	ck_assert_str_eq(o.why.pointer, "/clienteId");
	end();
}
END_TEST

START_TEST(a_disabled_account_is_nobodys)
{
	begin(NULL, 0);
	sql("UPDATE users SET disabled_at = now()");
	refused(ask("ana", (struct send_wish){0}), PROBLEM_UNAUTHORIZED, MSG__MAX);
	end();
}
END_TEST

START_TEST(without_the_database_it_is_unavailable)
{
	struct outcome o;

	begin(NULL, 0);
	sql("ALTER FUNCTION message_begin RENAME TO not_there");
	o = ask("ana", (struct send_wish){0});
	sql("ALTER FUNCTION not_there RENAME TO message_begin");
	refused(o, PROBLEM_UNAVAILABLE, MSG__MAX);
	ck_assert_int_ne(o.code, ERR_NONE);
	end();
}
END_TEST

/* --- the gateway */

START_TEST(what_the_gateway_refuses_costs_nothing)
{
	static const struct fake_step steps[] = {
		{FAKE_JSON, 422, "{\"message\":\"no such number\"}"}};
	struct outcome o;

	begin(steps, 1);
	o = ask("ana", (struct send_wish){0});
	ck_assert(!o.ok);
	ck_assert_int_eq(o.why.problem, PROBLEM_GATEWAY);
	left_as("failed 0");
	end();
}
END_TEST

START_TEST(what_no_gateway_heard_costs_nothing)
{
	struct outcome o;

	begin(NULL, 0);
	sql("UPDATE waha_servers SET api_url = 'http://127.0.0.1:1'");
	o = ask("ana", (struct send_wish){0});
	ck_assert(!o.ok);
	ck_assert_int_eq(o.why.problem, PROBLEM_GATEWAY);
	left_as("failed 0");
	end();
}
END_TEST

START_TEST(what_may_have_gone_out_is_unknown_and_counts)
{
	static const struct fake_step steps[] = {
		{FAKE_HANG, 0, NULL}, {FAKE_RESET, 0, NULL}, {FAKE_JSON, 201, "{}"}};
	struct outcome o;

	begin(steps, 3);
	for (int i = 0; i < 3; i++) {
		o = ask_within(500, "ana", (struct send_wish){0});
		ck_assert(o.ok);
		ck_assert_int_eq(o.result.state, SEND_UNKNOWN);
		ck_assert_int_eq(o.code, ERR_NONE);
		ck_assert_int_eq(fake_count(&gateway), i + 1);
	}
	left_as("unknown 3");
	end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {a_message_is_sent_and_counted, a_key_is_sent_once,
		without_a_device_there_is_nothing_to_send_with,
		a_disconnected_one_sends_nothing, what_is_used_up_says_until_when,
		anothers_device_is_not_there, of_several_one_must_be_named,
		a_client_of_another_kind_is_refused, a_disabled_account_is_nobodys,
		without_the_database_it_is_unavailable,
		what_the_gateway_refuses_costs_nothing,
		what_no_gateway_heard_costs_nothing,
		what_may_have_gone_out_is_unknown_and_counts, NULL};
	const char *url = getenv("WAPOOL_TEST_DATABASE_URL");

	if (url == NULL) {
		puts("Bail out! t/db.t runs this: it needs a PostgreSQL of its own");
		return 1;
	}
	setenv("DATABASE_URL", url, 1);
	setenv("LOG_LEVEL", "error", 1);
	return unit_main(unit_suite("send", tests));
}
