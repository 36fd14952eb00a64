#include "kind.h"

#include <string.h>

static const struct kind *const kinds[] = {
	&kind_waha, &kind_evolution1, &kind_evolution2, &kind_gowa};

const struct kind *
kind_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}
