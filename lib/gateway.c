#include "lib/gateway.h"

#include <string.h>

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
