#include "lib/device.h"

#include "lib/uuid.h"

static bool
refuse(const struct request *rq, struct response *rs)
{
	response_invalid(rs, rq, "/deviceId", message_text(MSG_WANT_DEVICE, rq->lang));
	return false;
}

bool
device_of_query(const struct request *rq, char out[DEVICE_ID_SIZE], struct response *rs)
{
	out[0] = '\0';
	if (!request_query_has(rq, "deviceId"))
		return true;
	/* a longer value does not fit, and is none either */
	if (request_query(rq, "deviceId", out, DEVICE_ID_SIZE) && uuid_valid(out))
		return true;
	return refuse(rq, rs);
}

bool
device_of_body(const struct request *rq, const json_t *body, const char **out,
	struct response *rs)
{
	const json_t *id = json_object_get(body, "deviceId");

	*out = json_string_value(id);
	if (id == NULL || json_is_null(id) || uuid_valid(*out))
		return true;
	return refuse(rq, rs);
}
