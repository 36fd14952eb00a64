/* jwt_verify on any bytes: nobody gets in who has not the key. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct jwt_rules rules = {
		.issuer = "", .audience = "", .leeway_s = 0};
	static struct jwt_keys *keys;
	struct jwt_claims claims;
	struct err e = ERR_INIT;
	char *token = malloc(size + 1);

	if (keys == NULL)
		keys = jwt_keys_hs256("0123456789abcdef0123456789abcdef", NULL);
	if (token == NULL || keys == NULL)
		abort();
	memcpy(token, data, size);
	token[size] = '\0';
	if (jwt_verify(keys, &rules, token, 1700000000, &claims, &e) || !err_isset(&e))
		abort();
	free(token);
	return 0;
}
