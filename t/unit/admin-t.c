#include "lib/admin.h"

#include <string.h>

#include "t/unit/unit.h"

START_TEST(names_are_what_every_gateway_takes)
{
	static const char *const good[] = {"a", "vendas-01", "Loja_2", "-", "_", "0",
		"pool", "pool-", "pool-1", "pool-1-", "pool-a-1", "pool-1-a",
		"Pool-1-1", "xpool-1-1"};
	static const char *const bad[] = {"", " ", "a b", "a/b", "a.b", "..", "a~b",
		"a\nb", "a%20b", "\xc3\xa7", "a\xff", "pool-1-1", "pool-1795216239-12",
		NULL};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(admin_name_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!admin_name_valid(bad[i]), "%s",
			bad[i] != NULL ? bad[i] : "NULL");
}
END_TEST

START_TEST(a_name_has_64_bytes_at_the_most)
{
	char name[ADMIN_NAME_MAX + 2];

	memset(name, 'x', sizeof(name));
	name[ADMIN_NAME_MAX + 1] = '\0';
	ck_assert(!admin_name_valid(name));
	name[ADMIN_NAME_MAX] = '\0';
	ck_assert(admin_name_valid(name));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {names_are_what_every_gateway_takes,
		a_name_has_64_bytes_at_the_most, NULL};

	return unit_main(unit_suite("admin", tests));
}
