/*
 * http-get: one call by lib/http to a fake server, for the tests of lib/http.
 */
#ifndef WAPOOL_T_HTTP_GET_H
#define WAPOOL_T_HTTP_GET_H

#include "lib/http.h"
#include "t/unit/fake-http.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

/* One GET of /CANARY, of which no error may tell, with an ample deadline. */
static inline bool
get(struct http *h, const char *base, int deadline_ms, size_t max,
	struct http_answer *a, struct err *e)
{
	char url[128];
	struct http_request rq = {.method = "GET", .url = url, .max_answer = max};

	snprintf(url, sizeof(url), "%s/CANARY", base);
	*e = (struct err)ERR_INIT;
	return http_call(h, &rq, deadline_in(deadline_ms), a, e);
}

#endif
