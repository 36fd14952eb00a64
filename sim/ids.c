#include "ids.h"

#include "clock.h"
#include "text.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define POOL_SIZE 256 /* getrandom() never returns short up to this */

void
ids_random(void *buf, size_t n)
{
	static _Thread_local unsigned char pool[POOL_SIZE];
	static _Thread_local size_t left;
	unsigned char *out = buf;
	size_t take;

	while (n > 0) {
		if (left == 0) {
			if (getrandom(pool, sizeof pool, 0) != sizeof pool)
				abort();
			left = sizeof pool;
		}
		take = n < left ? n : left;
		memcpy(out, pool + sizeof pool - left, take);
		left -= take;
		out += take;
		n -= take;
	}
}

double
ids_fraction(void)
{
	uint32_t value;

	ids_random(&value, sizeof value);
	return value / 4294967296.0;
}

void
ids_ulid(char *out, int64_t ms)
{
	static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
	unsigned char tail[16];
	int i;

	for (i = 9; i >= 0; i--, ms >>= 5)
		out[i] = alphabet[ms & 31];
	ids_random(tail, sizeof tail);
	for (i = 0; i < 16; i++)
		out[10 + i] = alphabet[tail[i] & 31];
	out[26] = '\0';
}

static void
base36(char *out, size_t digits, uint64_t value)
{
	static const char alphabet[] = "0123456789abcdefghijklmnopqrstuvwxyz";

	while (digits-- > 0) {
		out[digits] = alphabet[value % 36];
		value /= 36;
	}
}

void
ids_request(char *out)
{
	static _Atomic uint64_t prefix;
	static _Atomic int64_t last;
	uint64_t fresh, none = 0;
	int64_t now = clock_wall_ms(), seen = atomic_load(&last);

	ids_random(&fresh, sizeof fresh);
	atomic_compare_exchange_strong(&prefix, &none, fresh | 1);
	while (!atomic_compare_exchange_weak(&last, &seen, now > seen ? now : seen + 1))
		;
	base36(out, 9, atomic_load(&prefix));
	base36(out + 9, 8, (uint64_t)(now > seen ? now : seen + 1));
	out[17] = '\0';
}

void
ids_message(char *out, const char *prefix, size_t length)
{
	static const char hex[] = "0123456789ABCDEF";
	unsigned char random[IDS_MESSAGE_SIZE];
	size_t i = strlen(prefix);

	memcpy(out, prefix, i);
	ids_random(random, sizeof random);
	for (; i < length; i++)
		out[i] = hex[random[i] & 15];
	out[i] = '\0';
}

void
ids_pairing_code(char *out)
{
	static const char alphabet[] = "123456789ABCDEFGHJKLMNPQRSTVWXYZ";
	unsigned char random[9];
	int i;

	ids_random(random, sizeof random);
	for (i = 0; i < 9; i++)
		out[i] = i == 4 ? '-' : alphabet[random[i] & 31];
	out[9] = '\0';
}

static void
add_base64(struct text *t, const unsigned char *data, int n)
{
	unsigned char encoded[256];

	EVP_EncodeBlock(encoded, data, n);
	text_add(t, (const char *)encoded);
}

char *
ids_qr(void)
{
	struct text t = {0};
	unsigned char random[120];

	ids_random(random, sizeof random);
	text_add(&t, "2@");
	add_base64(&t, random, 24);
	text_add(&t, ",");
	add_base64(&t, random + 24, 32);
	text_add(&t, ",");
	add_base64(&t, random + 56, 32);
	text_add(&t, ",");
	add_base64(&t, random + 88, 32);
	return text_steal(&t);
}

void
ids_lid(char out[16], const char *phone)
{
	uint64_t h = 14695981039346656037u;

	for (; *phone != '\0'; phone++)
		h = (h ^ (unsigned char)*phone) * 1099511628211u;
	snprintf(out, 16, "%015llu",
		(unsigned long long)(100000000000000u + h % 900000000000000u));
}
