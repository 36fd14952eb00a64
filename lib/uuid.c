#include "lib/uuid.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>

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

void
uuid_make(char out[37])
{
	unsigned char b[16];
	size_t n = 0;

	randombytes_buf(b, sizeof(b));
	b[6] = (unsigned char)(0x40 | (b[6] & 0x0f)); /* version 4 */
	b[8] = (unsigned char)(0x80 | (b[8] & 0x3f)); /* variant of the RFC */
	for (size_t i = 0; i < sizeof(b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[n++] = '-';
		n += (size_t)snprintf(out + n, 3, "%02x", b[i]);
	}
}
