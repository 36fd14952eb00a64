#include "lib/gateway.h"

#include <stdio.h>
#include <string.h>

#define Y2001_MS 978307200000
#define AHEAD_MS 300000

static const struct gateway *const drivers[] = {
	&gateway_waha, &gateway_evolution, &gateway_gowa};

const struct gateway *
gateway_of(const char *kind)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (strcmp(drivers[i]->kind, kind) == 0)
			return drivers[i];
	return NULL;
}

const struct gateway *
gateway_at(size_t i)
{
	return i < sizeof(drivers) / sizeof(drivers[0]) ? drivers[i] : NULL;
}

const char *
gateway_polled(char out[GATEWAY_KINDS_SIZE])
{
	size_t n = 0;

	out[n++] = '{';
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (drivers[i]->polled)
			n += (size_t)snprintf(out + n, GATEWAY_KINDS_SIZE - n, "%s%s",
				n > 1 ? "," : "", drivers[i]->kind);
	snprintf(out + n, GATEWAY_KINDS_SIZE - n, "}");
	return out;
}

bool
gateway_time_ok(int64_t at_ms)
{
	return at_ms > Y2001_MS && at_ms < clock_wall_ms() + AHEAD_MS;
}
