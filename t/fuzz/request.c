/* The request's parsers on a hostile environment: paths, queries, Accept and Accept-Language. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/device.h"
#include "lib/request.h"
#include "lib/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One environment string: the name, then the input without its NULs. */
static char *
variable(const char *name, const uint8_t *data, size_t size)
{
	size_t n = strlen(name);
	char *s = malloc(n + size + 1);

	if (s == NULL)
		abort();
	memcpy(s, name, n);
	for (size_t i = 0; i < size; i++)
		if (data[i] != 0)
			s[n++] = (char)data[i];
	s[n] = '\0';
	return s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {
		"REQUEST_METHOD=", "DOCUMENT_URI=", "QUERY_STRING=", "HTTP_ACCEPT=",
		"HTTP_ACCEPT_LANGUAGE=", "REQUEST_ID=", "CONTENT_TYPE="};
	char *env[8] = {NULL}, device[DEVICE_ID_SIZE];
	struct request rq;
	struct response rs;
	struct buf out;

	for (size_t i = 0; i < 7; i++)
		env[i] = variable(names[i], data, size);
	request_init(&rq, env);
	response_init(&rs);
	buf_init(&out, RESPONSE_MAX);
	request_match(&rq, "/webhook/{server_id}");
	device_of_query(&rq, device, &rs);
	request_prefers(&rq, "image/svg+xml", "image/png");
	response_problem(&rs, &rq, PROBLEM_NOT_FOUND, NULL);
	if (!response_render(&rs, false, &out))
		abort();
	json_decref(request_json(&rq, true, NULL));
	buf_free(&out);
	response_free(&rs);
	request_free(&rq);
	for (size_t i = 0; i < 7; i++)
		free(env[i]);
	return 0;
}
