#include "lib/health-json.h"

void
health_json(struct response *rs, bool pass, json_t *checks)
{
	json_t *o = json_pack("{s:s}", "status", pass ? "pass" : "fail");

	if (json_object_size(checks) > 0)
		json_object_set(o, "checks", checks);
	json_decref(checks);
	response_json(rs, pass ? 200 : 503, o);
	rs->content_type = "application/health+json";
	if (!pass)
		response_header(rs, "Retry-After", "1");
}
