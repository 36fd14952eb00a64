#include "lib/phone.h"

#include <stddef.h>
#include <string.h>

bool
phone_digits(const char *s, char out[PHONE_SIZE])
{
	size_t n = 0;

	if (s == NULL)
		return false;
	if (*s == '+')
		s++;
	for (; *s != '\0'; s++) {
		if (*s >= '0' && *s <= '9') {
			if (n == PHONE_SIZE - 1)
				return false;
			out[n++] = *s;
		} else if (strchr(" ()-.", *s) == NULL) {
			return false;
		}
	}
	out[n] = '\0';
	return n >= 8 && out[0] != '0';
}
