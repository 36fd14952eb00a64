#include "lib/device.h"

#include "lib/uuid.h"

/* Seed 000's clients write deviceId, seed 004's device_id: both are taken everywhere. */
#define NAME "deviceId"
#define OTHER_NAME "device_id"

static bool
refuse(const struct request *rq, struct response *rs)
{
	response_invalid(rs, rq, "/" NAME, message_text(MSG_WANT_DEVICE, rq->lang));
	return false;
}

bool
device_of_query(const struct request *rq, char out[DEVICE_ID_SIZE], struct response *rs)
{
	const char *name = request_query_has(rq, NAME) ? NAME : OTHER_NAME;

	out[0] = '\0';
	if (!request_query_has(rq, name))
		return true;
	/* a longer value does not fit, and is none either */
	if (request_query(rq, name, out, DEVICE_ID_SIZE) && uuid_valid(out))
		return true;
	return refuse(rq, rs);
}

bool
device_of_body(const struct request *rq, const json_t *body, const char **out,
	struct response *rs)
{
	const json_t *id = json_object_get(body, NAME);

	if (id == NULL)
		id = json_object_get(body, OTHER_NAME);
	*out = json_string_value(id);
	if (id == NULL || json_is_null(id) || uuid_valid(*out))
		return true;
	return refuse(rq, rs);
}
