#include "lib/uuid.h"

#include <ctype.h>
#include <sodium.h>
#include <stddef.h>
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
uuid_new(char out[37])
{
	unsigned char b[16];
	size_t at = 0;

	randombytes_buf(b, sizeof(b));
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof(b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[at++] = '-';
		at += (size_t)snprintf(out + at, 37 - at, "%02x", b[i]);
	}
}
