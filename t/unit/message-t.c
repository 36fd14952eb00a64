#include "lib/message.h"

#include <stdbool.h>
#include <string.h>

#include "lib/utf8.h"
#include "t/unit/unit.h"

static void
check_sentence(const char *s)
{
	ck_assert_ptr_nonnull(s);
	ck_assert_str_ne(s, "");
	ck_assert_msg(utf8_valid(s, strlen(s)), "%s", s);
}

/* Administrators are told of instances. */
static bool
is_for_admins(int m)
{
	return m >= MSG_SCAN_TO_CONNECT && m <= MSG_LAST_WEEK;
}

/* The seed speaks of instances to users in two sentences; nobody else may. */
static void
check_words(const char *s)
{
	ck_assert_msg(strcasestr(s, "inst\xc3\xa2ncia") == NULL &&
			strcasestr(s, "instance") == NULL,
		"%s", s);
}

START_TEST(the_seeds_words_to_the_letter)
{
	const struct problem_info *p = problem_info(PROBLEM_POOL_EMPTY);

	ck_assert_str_eq(message_text(MSG_SCAN_QR, LANG_PT),
		"Escaneie o QR Code com seu WhatsApp");
	ck_assert_str_eq(message_text(MSG_DISCONNECTED, LANG_PT),
		"WhatsApp desconectado com sucesso");
	ck_assert_str_eq(message_text(MSG_NOT_CONNECTED, LANG_PT),
		"WhatsApp n\xc3\xa3o conectado");
	ck_assert_str_eq(p->title[LANG_PT],
		"N\xc3\xa3o h\xc3\xa1 inst\xc3\xa2ncias dispon\xc3\xadveis no momento");
	ck_assert_str_eq(p->detail[LANG_PT],
		"Tente novamente em alguns segundos. "
		"Estamos criando mais inst\xc3\xa2ncias.");
}
END_TEST

START_TEST(every_message_exists_in_both_languages)
{
	for (int m = 0; m < MSG__MAX; m++) {
		const char *pt = message_text((enum message)m, LANG_PT);
		const char *en = message_text((enum message)m, LANG_EN);

		check_sentence(pt);
		check_sentence(en);
		if (!is_for_admins(m)) {
			check_words(pt);
			check_words(en);
		}
		ck_assert_str_ne(pt, en);
	}
	ck_assert_str_eq(message_text(MSG__MAX, LANG_PT), "");
}
END_TEST

START_TEST(every_problem_is_complete)
{
	for (int i = 0; i < PROBLEM__MAX; i++) {
		const struct problem_info *p = problem_info((enum problem)i);

		ck_assert_int_ge(p->status, 400);
		ck_assert_int_le(p->status, 599);
		check_sentence(p->code);
		ck_assert_uint_eq(strspn(p->code, "abcdefghijklmnopqrstuvwxyz-"),
			strlen(p->code));
		for (int lang = LANG_PT; lang <= LANG_EN; lang++) {
			check_sentence(p->title[lang]);
			check_sentence(p->detail[lang]);
			if (i == PROBLEM_POOL_EMPTY && lang == LANG_PT)
				continue;
			check_words(p->title[lang]);
			check_words(p->detail[lang]);
		}
	}
}
END_TEST

START_TEST(codes_are_distinct)
{
	for (int i = 0; i < PROBLEM__MAX; i++)
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(problem_info((enum problem)i)->code,
				problem_info((enum problem)k)->code);
}
END_TEST

START_TEST(statuses_are_those_of_the_contract)
{
	static const struct {
		enum problem p;
		int status, retry_after;
		const char *code;
	} cases[] = {
		{PROBLEM_BAD_REQUEST, 400, 0, "bad-request"},
		{PROBLEM_BAD_JSON, 400, 0, "bad-json"},
		{PROBLEM_INVALID, 422, 0, "invalid-field"},
		{PROBLEM_UNAUTHORIZED, 401, 0, "unauthorized"},
		{PROBLEM_BAD_LOGIN, 401, 0, "bad-login"},
		{PROBLEM_FORBIDDEN, 403, 0, "forbidden"},
		{PROBLEM_BAD_SIGNATURE, 401, 0, "bad-signature"},
		{PROBLEM_NOT_FOUND, 404, 0, "not-found"},
		{PROBLEM_DEVICE_NOT_FOUND, 404, 0, "device-not-found"},
		{PROBLEM_NO_QR, 409, 0, "no-qr"},
		{PROBLEM_METHOD, 405, 0, "method-not-allowed"},
		{PROBLEM_TOO_LARGE, 413, 0, "too-large"},
		{PROBLEM_MEDIA_TYPE, 415, 0, "unsupported-media-type"},
		{PROBLEM_IDEMPOTENCY_KEY, 400, 0, "idempotency-key"},
		{PROBLEM_IDEMPOTENCY_BUSY, 409, 2, "idempotency-busy"},
		{PROBLEM_IDEMPOTENCY_REUSE, 422, 0, "idempotency-reuse"},
		{PROBLEM_POOL_EMPTY, 503, 2, "pool-empty"},
		{PROBLEM_GATEWAY, 502, 0, "gateway-failed"},
		{PROBLEM_GATEWAY_SLOW, 504, 5, "gateway-slow"},
		{PROBLEM_UNAVAILABLE, 503, 2, "unavailable"},
		{PROBLEM_INTERNAL, 500, 0, "internal"},
		{PROBLEM_CONFLICT, 409, 0, "conflict"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct problem_info *p = problem_info(cases[i].p);

		ck_assert_str_eq(p->code, cases[i].code);
		ck_assert_int_eq(p->status, cases[i].status);
		ck_assert_int_eq(p->retry_after, cases[i].retry_after);
	}
	ck_assert_str_eq(problem_info(PROBLEM__MAX)->code, "internal");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {the_seeds_words_to_the_letter,
		every_message_exists_in_both_languages, every_problem_is_complete,
		codes_are_distinct, statuses_are_those_of_the_contract, NULL};

	return unit_main(unit_suite("message", tests));
}
