#include "lib/signature.h"

#include <sodium.h>
#include <string.h>

#include "t/unit/unit.h"

#define SPEC_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

/* The first is the vector that the Standard Webhooks libraries share; the others were
 * computed with Python's hmac module. */
static const struct vector {
	const char *secret, *id;
	int64_t at;
	const char *body, *signature;
} vectors[] = {
	{SPEC_SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
		"{\"test\": 2432232314}",
		"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
	{"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
		"{\"test\": 2432232314}",
		"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
	{"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyM"
	 "zQ1Njc4OTo7PD0+Pw==",
		"evt_1", 0, "", "v1,eT8iE1HaBmn6+rRUCGUg4455mmJdUIl+bfWcofYHHEg="},
	{SPEC_SECRET, "evt_1", 1795200000, "{\"text\":\"ol\xc3\xa1\"}",
		"v1,WqYQ7ojDgrFPsierhJGIqeGoLA2NDgVBq7Mt22eU5TY="},
};

START_TEST(standard_webhooks_vectors_hold)
{
	const struct vector *v = &vectors[_i];
	struct buf out;

	buf_init(&out, 200);
	ck_assert(signature_add(
		&out, v->secret, v->id, v->at, v->body, strlen(v->body), NULL));
	ck_assert_str_eq(buf_str(&out), v->signature);
	buf_free(&out);
}
END_TEST

START_TEST(two_secrets_are_separated_by_a_space)
{
	struct buf out;

	buf_init(&out, 200);
	ck_assert(signature_add(&out, SPEC_SECRET, "evt_1", 1795200000, vectors[3].body,
		strlen(vectors[3].body), NULL));
	ck_assert(signature_add(&out, vectors[2].secret, "evt_1", 0, NULL, 0, NULL));
	ck_assert_str_eq(buf_str(&out),
		"v1,WqYQ7ojDgrFPsierhJGIqeGoLA2NDgVBq7Mt22eU5TY= "
		"v1,eT8iE1HaBmn6+rRUCGUg4455mmJdUIl+bfWcofYHHEg=");
	buf_free(&out);
}
END_TEST

#define LONG_SECRET                                                                    \
	"whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr"           \
	"a2tra2tra2tra2tra2tra2tra2s="

/* empty, no key, no base64, 23 bytes, 65 bytes */
static const char *const bad_secrets[] = {"", "whsec_", "whsec_!!!!",
	"whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	"whsec_a2tra2tra2tra2tra2tra2tra2tra2s=", LONG_SECRET};

START_TEST(what_is_no_secret_is_refused)
{
	struct err e = ERR_INIT;
	struct buf out;

	buf_init(&out, 200);
	ck_assert(!signature_add(&out, bad_secrets[_i], "evt_1", 1, "x", 1, &e));
	ck_assert_int_eq(e.code, ERR_CONFIG);
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(an_id_cannot_move_into_the_timestamp)
{
	struct err e = ERR_INIT;
	struct buf out;

	buf_init(&out, 200);
	ck_assert(!signature_add(&out, SPEC_SECRET, "evt.1", 1, "x", 1, &e));
	ck_assert_int_eq(e.code, ERR_INPUT);
}
END_TEST

START_TEST(a_full_buffer_is_told)
{
	struct err e = ERR_INIT;
	struct buf out;

	buf_init(&out, 40);
	ck_assert(!signature_add(&out, SPEC_SECRET, "evt_1", 1, "x", 1, &e));
	ck_assert_int_eq(e.code, ERR_TOO_LARGE);
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(secrets_made_here_are_usable_and_differ)
{
	char a[SIGNATURE_SECRET_SIZE], b[SIGNATURE_SECRET_SIZE];
	struct buf out;

	signature_secret_new(a);
	signature_secret_new(b);
	ck_assert(strncmp(a, "whsec_", 6) == 0);
	ck_assert_uint_eq(strlen(a), 6 + 44);
	ck_assert_str_ne(a, b);
	buf_init(&out, 200);
	ck_assert(signature_add(&out, a, "evt_1", 1, "x", 1, NULL));
	buf_free(&out);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("signature");
	TCase *t = tcase_create("signature");

	if (sodium_init() < 0)
		return 1;
	suite_add_tcase(s, t);
	tcase_add_loop_test(t, standard_webhooks_vectors_hold, 0,
		sizeof(vectors) / sizeof(vectors[0]));
	tcase_add_test(t, two_secrets_are_separated_by_a_space);
	tcase_add_loop_test(t, what_is_no_secret_is_refused, 0,
		sizeof(bad_secrets) / sizeof(bad_secrets[0]));
	tcase_add_test(t, an_id_cannot_move_into_the_timestamp);
	tcase_add_test(t, a_full_buffer_is_told);
	tcase_add_test(t, secrets_made_here_are_usable_and_differ);
	return unit_main(s);
}
