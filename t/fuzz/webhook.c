/* A gateway's webhook of any shape: parsed or refused, texts inside the body, no crash. */
#include <stdint.h>
#include <stdlib.h>

#include "lib/gateway.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *v = json_parse_strict((const char *)data, size, NULL);
	struct gateway_event ev;

	if (v != NULL && gateway_waha.parse_webhook(v, &ev, NULL) && ev.event == NULL)
		abort();
	json_decref(v);
	return 0;
}
