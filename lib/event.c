#include "lib/event.h"

#include <stdio.h>
#include <string.h>

#include "lib/uuid.h"

static const char *const types[] = {"device.connected", "device.disconnected",
	"qr.updated", "message.received", "message.ack", "instance.health"};

#define NTYPES (sizeof(types) / sizeof(types[0]))

const char *
event_type(size_t i)
{
	return i < NTYPES ? types[i] : NULL;
}

bool
event_type_valid(const char *type)
{
	for (size_t i = 0; type != NULL && i < NTYPES; i++)
		if (strcmp(types[i], type) == 0)
			return true;
	return false;
}

/* Members that are NULL are left out. */
static json_t *
message_data(const struct gateway_event *ev)
{
	return json_pack("{s:s, s:s*, s:s*, s:s*, s:s*}", "messageId", ev->message_id,
		"chat", ev->chat, "text", ev->text, "mediaUrl", ev->media,
		"gatewayEventId", ev->id);
}

static const char *
ack_word(int ack)
{
	static const char *const words[] = {
		"error", "pending", "server", "device", "read", "played"};

	return ack >= ACK_ERROR && ack <= ACK_PLAYED ? words[ack - ACK_ERROR] : NULL;
}

json_t *
event_of_gateway(const struct gateway_event *ev)
{
	if (*ev->message_id == '\0')
		return NULL;
	if (ev->kind == EVENT_MESSAGE && !ev->from_me)
		return json_pack("{s:s, s:o, s:s++}", "type", "message.received",
			"data", message_data(ev), "once", "message|", ev->message_id,
			"");
	if (ev->kind == EVENT_ACK && ack_word(ev->ack) != NULL)
		return json_pack("{s:s, s:{s:s, s:s*, s:s}, s:s+++}", "type",
			"message.ack", "data", "messageId", ev->message_id, "chat",
			ev->chat, "ack", ack_word(ev->ack), "once", "ack|",
			ack_word(ev->ack), "|", ev->message_id);
	return NULL;
}

bool
event_uuid(const char *event_id, char out[37])
{
	const char *hex;

	if (strncmp(event_id, "evt_", 4) != 0)
		return false;
	hex = event_id + 4;
	if (strlen(hex) != 32)
		return false;
	snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
		hex + 20);
	return uuid_valid(out);
}

bool
event_body(struct buf *out, const char *type, const char *timestamp, const char *device,
	const char *data)
{
	size_t was = out->len;

	buf_printf(out, "{\"type\":\"%s\",\"timestamp\":\"%s\",", type, timestamp);
	if (device != NULL)
		buf_printf(out, "\"device_id\":\"%s\",", device);
	buf_puts(out, "\"data\":");
	buf_puts(out, data);
	buf_puts(out, "}");
	return !out->failed && out->len > was;
}
