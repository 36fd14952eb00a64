#include "lib/device.h"

#include "lib/uuid.h"

static bool
refuse(const struct request *rq, struct response *rs)
{
	response_invalid(rs, rq, "/deviceId",
		rq->lang == LANG_EN ? "a device id is a UUID" : "o deviceId é um UUID");
	return false;
}

bool
device_of_query(const struct request *rq, char out[DEVICE_ID_SIZE], struct response *rs)
{
	char value[256];

	out[0] = '\0';
	if (!request_query_has(rq, "deviceId"))
		return true;
	if (!request_query(rq, "deviceId", value, sizeof(value)) || !uuid_valid(value))
		return refuse(rq, rs);
	for (size_t i = 0; i < DEVICE_ID_SIZE; i++)
		out[i] = value[i];
	return true;
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
