#include "request.h"

#include "clock.h"
#include "session.h"

const char *
request_query(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->conn, MHD_GET_ARGUMENT_KIND, name);
}

const char *
request_header(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, name);
}

bool
request_sleep(struct request *r, int64_t simulated_ms)
{
	int64_t deadline = clock_in(simulated_ms);

	if (wait_until(r->gw, r->epoch, NULL, deadline) != WAIT_OVER)
		return true;
	r->end = REQUEST_RESET;
	return false;
}

struct session *
request_session(const struct request *r, const char *name)
{
	return sessions_find(&r->gw->sessions, name);
}

const char *
request_string(const struct request *r, const char *key)
{
	return json_string_value(json_object_get(r->body, key));
}
