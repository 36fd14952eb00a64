/* A name that is looked up for longer than a call may take: who answers for it may be anybody's server. */
#include <curl/curl.h>
#include <netdb.h>
#include <stdatomic.h>

#include "t/unit/http-get.h"

#define LOOKUP_MS 2500 /* more than the call here; less than the patience of Check */

static atomic_bool begun, ended;

/* In place of the C library's, also for libcurl: nobody answers for the name. */
__attribute__((visibility("default"))) int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
	struct addrinfo **out)
{
	(void)name;
	(void)service;
	(void)hints;
	atomic_store(&begun, true);
	clock_sleep(LOOKUP_MS, deadline_in(LOOKUP_MS));
	atomic_store(&ended, true);
	*out = NULL;
	return EAI_AGAIN;
}

START_TEST(the_deadline_ends_a_lookup)
{
	struct http *h = http_new("", "", NULL);
	struct http_answer a;
	struct err e;

	ck_assert(!get(h, "http://slow.example", 300, 1000, &a, &e));
	ck_assert(atomic_load(&begun));
	ck_assert_msg(
		!atomic_load(&ended), "the call has waited for the look-up's end");
	ck_assert_int_eq(e.code, ERR_TIMEOUT);
	ck_assert(!a.sent);
	http_answer_free(&a);
	http_free(h);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {the_deadline_ends_a_lookup, NULL};

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return 1;
	return unit_main(unit_suite("http-name", tests));
}
