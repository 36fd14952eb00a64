/* The judgement on an instance, row by row: docs/health.md shows the same table. */
#include <string.h>

#include "lib/health.h"
#include "t/unit/unit.h"

struct row {
	const char *what;
	struct health_facts facts;
	enum health state;
	enum remedy remedy;
	const char *reason; /* how it begins */
};

#define SESSION(s) .answer = ANSWER_SESSION, .state = (s)
#define OWNED .assigned = true
#define PAIRED .assigned = true, .paired = true

static const struct row rows[] = {
	/* existence */
	{"absent at one look is no verdict",
		{.answer = ANSWER_ABSENT, OWNED, .bad_samples = 1}, HEALTH_DEGRADED,
		REMEDY_NONE, "The gateway did not list it (1 of 3"},
	{"nor at two", {.answer = ANSWER_ABSENT, PAIRED, .bad_samples = 2},
		HEALTH_DEGRADED, REMEDY_NONE, "The gateway did not list it (2 of 3"},
	{"absent at three looks, never paired",
		{.answer = ANSWER_ABSENT, OWNED, .bad_samples = 3}, HEALTH_NOT_FOUND,
		REMEDY_CLEANUP, "The gateway has no such session"},
	{"absent at three looks, was connected",
		{.answer = ANSWER_ABSENT, PAIRED, .bad_samples = 3}, HEALTH_CORRUPTED,
		REMEDY_RELEASE, "The gateway lost a session that was connected"},
	{"absent while standing by", {.answer = ANSWER_ABSENT, .bad_samples = 3},
		HEALTH_NOT_FOUND, REMEDY_CLEANUP, "The gateway has no such session"},

	/* the server's trouble is no session's */
	{"no answer keeps the judgement before",
		{.answer = ANSWER_NONE,
			PAIRED,
			.before = HEALTH_HEALTHY,
			.bad_samples = 9},
		HEALTH_HEALTHY, REMEDY_NONE, "The gateway does not answer"},
	{"a lock time-out is no verdict",
		{.answer = ANSWER_FAILED, PAIRED, .bad_samples = 2}, HEALTH_DEGRADED,
		REMEDY_NONE, "The gateway failed to tell its state (2"},
	{"failing again and again, paired: gently",
		{.answer = ANSWER_FAILED, PAIRED, .bad_samples = 3}, HEALTH_CORRUPTED,
		REMEDY_RESTART, "The gateway cannot tell its state"},
	{"failing again and again, nobody's phone",
		{.answer = ANSWER_FAILED, OWNED, .bad_samples = 3}, HEALTH_CORRUPTED,
		REMEDY_CLEANUP, "The gateway cannot tell its state"},

	/* consistency: standing by means stopped and empty */
	{"stands by", {SESSION(SESSION_STOPPED)}, HEALTH_HEALTHY, REMEDY_NONE,
		"Stands by"},
	{"runs while standing by", {SESSION(SESSION_SCAN)}, HEALTH_CORRUPTED,
		REMEDY_CLEANUP, "It runs though it belongs to nobody"},
	{"holds a phone while standing by",
		{SESSION(SESSION_STOPPED), .has_phone = true}, HEALTH_CORRUPTED,
		REMEDY_CLEANUP, "It holds a phone"},
	{"works for nobody", {SESSION(SESSION_WORKING), .has_phone = true},
		HEALTH_CORRUPTED, REMEDY_CLEANUP, "It holds a phone"},

	/* connection */
	{"connected", {SESSION(SESSION_WORKING), PAIRED, .has_phone = true},
		HEALTH_HEALTHY, REMEDY_NONE, "Connected"},
	{"connected before the database knew",
		{SESSION(SESSION_WORKING), OWNED, .has_phone = true}, HEALTH_HEALTHY,
		REMEDY_NONE, "Connected"},
	{"works without naming a phone, at first",
		{SESSION(SESSION_WORKING), PAIRED, .bad_samples = 1}, HEALTH_DEGRADED,
		REMEDY_NONE, "Connected, but the gateway names no phone"},
	{"works without naming a phone, for good",
		{SESSION(SESSION_WORKING), PAIRED, .bad_samples = 3}, HEALTH_CORRUPTED,
		REMEDY_RESTART, "Says it is connected, but to no phone"},
	{"not started yet", {SESSION(SESSION_STOPPED), OWNED}, HEALTH_DISCONNECTED,
		REMEDY_NONE, "Not started"},
	{"stopped under its owner, one look",
		{SESSION(SESSION_STOPPED), PAIRED, .bad_samples = 1}, HEALTH_DEGRADED,
		REMEDY_NONE, "Stopped just now"},
	{"stopped under its owner",
		{SESSION(SESSION_STOPPED), PAIRED, .bad_samples = 2}, HEALTH_DEGRADED,
		REMEDY_RESTART, "Stopped though a phone was connected"},
	{"QR not scanned", {SESSION(SESSION_FAILED), OWNED}, HEALTH_DISCONNECTED,
		REMEDY_NONE, "The QR code was not scanned in time"},
	{"failed after being connected", {SESSION(SESSION_FAILED), PAIRED},
		HEALTH_DEGRADED, REMEDY_RESTART, "Failed after it had been connected"},
	{"a word of tomorrow",
		{SESSION(SESSION_OTHER), PAIRED, .word = "PASSKEY_REQUIRED"},
		HEALTH_DEGRADED, REMEDY_NONE,
		"In a state unknown here: PASSKEY_REQUIRED"},

	/* timeout */
	{"starting", {SESSION(SESSION_STARTING), OWNED, .state_ms = HEALTH_STUCK_MS},
		HEALTH_DISCONNECTED, REMEDY_NONE, "Starting"},
	{"starting for too long",
		{SESSION(SESSION_STARTING), OWNED, .state_ms = HEALTH_STUCK_MS + 15000},
		HEALTH_STUCK, REMEDY_CLEANUP, "Stuck in connecting state for 45 s"},
	{"reconnecting, as it does",
		{SESSION(SESSION_STARTING), PAIRED, .state_ms = 45000}, HEALTH_DEGRADED,
		REMEDY_NONE, "Reconnecting for 45 s"},
	{"reconnecting for too long",
		{SESSION(SESSION_STARTING), PAIRED,
			.state_ms = HEALTH_RECONNECT_MS + 1},
		HEALTH_STUCK, REMEDY_RESTART, "Stuck in connecting state for 120 s"},

	/* functionality */
	{"waits for a scan", {SESSION(SESSION_SCAN), OWNED, .qr = QR_SHOWN},
		HEALTH_DISCONNECTED, REMEDY_NONE, "Waits for a scan"},
	{"no QR, once",
		{SESSION(SESSION_SCAN), OWNED, .qr = QR_REFUSED, .bad_samples = 1},
		HEALTH_DEGRADED, REMEDY_NONE, "It gave no QR code (1 of 3"},
	{"no QR, for good",
		{SESSION(SESSION_SCAN), OWNED, .qr = QR_REFUSED, .bad_samples = 3},
		HEALTH_STUCK, REMEDY_CLEANUP, "It gives no QR code"},
	{"logged out on the phone", {SESSION(SESSION_SCAN), PAIRED},
		HEALTH_DISCONNECTED, REMEDY_RELEASE, "Logged out on the phone"},
};

START_TEST(every_row_of_the_table)
{
	const struct row *r = &rows[_i];
	struct health_verdict v = health_judge(&r->facts);

	ck_assert_msg(v.state == r->state, "%s: judged %s, not %s", r->what,
		health_name(v.state), health_name(r->state));
	ck_assert_msg(v.remedy == r->remedy, "%s: remedy %d", r->what, v.remedy);
	ck_assert_msg(strncmp(v.reason, r->reason, strlen(r->reason)) == 0,
		"%s: because \"%s\"", r->what, v.reason);
}
END_TEST

/* Whatever the facts: a paired phone is never cleaned up without being released first, and
 * a state that nobody need mend asks for nothing. */
START_TEST(no_facts_log_a_paired_phone_out_at_once)
{
	for (int answer = ANSWER_SESSION; answer <= ANSWER_NONE; answer++)
		for (int state = SESSION_STOPPED; state <= SESSION_OTHER; state++)
			for (int bad = 0; bad < 6; bad++)
				for (int phone = 0; phone < 2; phone++) {
					struct health_facts f = {.answer = answer,
						.state = state,
						.has_phone = phone,
						.assigned = true,
						.paired = true,
						.state_ms = bad * 60000,
						.bad_samples = bad};

					ck_assert(health_judge(&f).remedy !=
						REMEDY_CLEANUP);
				}
}
END_TEST

START_TEST(names_are_the_seeds)
{
	static const char *const words[] = {"healthy", "disconnected", "degraded",
		"stuck", "corrupted", "not_found"};

	for (int h = HEALTH_HEALTHY; h <= HEALTH_NOT_FOUND; h++) {
		ck_assert_str_eq(health_name(h), words[h]);
		ck_assert_int_eq(health_of(words[h]), h);
	}
	ck_assert_int_eq(health_of("?"), HEALTH_DEGRADED);
}
END_TEST

START_TEST(well_and_cleanup_are_the_seeds)
{
	ck_assert(
		health_is_well(HEALTH_HEALTHY) && health_is_well(HEALTH_DISCONNECTED));
	ck_assert(
		!health_is_well(HEALTH_DEGRADED) && !health_is_well(HEALTH_NOT_FOUND));
	ck_assert(health_should_cleanup(HEALTH_STUCK));
	ck_assert(health_should_cleanup(HEALTH_CORRUPTED));
	ck_assert(!health_should_cleanup(HEALTH_DEGRADED));
	ck_assert(!health_should_cleanup(HEALTH_NOT_FOUND));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("health");
	TCase *c = tcase_create("health");

	tcase_add_loop_test(
		c, every_row_of_the_table, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(c, no_facts_log_a_paired_phone_out_at_once);
	tcase_add_test(c, names_are_the_seeds);
	tcase_add_test(c, well_and_cleanup_are_the_seeds);
	suite_add_tcase(s, c);
	return unit_main(s);
}
