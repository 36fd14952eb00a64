#include "lib/uuid.h"

#include <ctype.h>
#include <stddef.h>

bool
uuid_valid(const char *s)
{
	size_t i;

	for (i = 0; s != NULL && s[i] != '\0' && i < 37; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : !isxdigit((unsigned char)s[i]))
			return false;
	}
	return s != NULL && i == 36;
}
