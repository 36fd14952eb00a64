/* json_parse_strict on any bytes: no crash, and what it accepts it writes and reads back the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	json_t *v = json_parse_strict((const char *)data, size, &e), *again;
	char *text;

	if (v == NULL) {
		if (!err_isset(&e))
			abort();
		return 0;
	}
	text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
	if (text == NULL)
		abort();
	again = json_parse_strict(text, strlen(text), &e);
	if (again == NULL || !json_equal(v, again))
		abort();
	json_decref(again);
	json_decref(v);
	free(text);
	return 0;
}
