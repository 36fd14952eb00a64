#include "lib/spent.h"

#include <string.h>

#include "lib/clock.h"

static _Thread_local int64_t account[SPENT_KINDS];

void
spent_reset(void)
{
	memset(account, 0, sizeof(account));
}

void
spent_since(enum spent what, int64_t began_us)
{
	account[what] += clock_us() - began_us;
}

int64_t
spent_us(enum spent what)
{
	return account[what];
}
