/*
 * gowa: a simulated GOWA (go-whatsapp-web-multidevice) 9.2.0. A session is a device.
 */
#ifndef SIM_GOWA_H
#define SIM_GOWA_H

#include "message.h"
#include "request.h"
#include "text.h"

struct session;

#define GOWA_VERSION "v9.2.0"

/* The handlers, by file. Each documents itself by its route in gowa.c. */

/* gowa-devices.c: slots and their webhooks */
void gowa_devices_list(struct request *r);
void gowa_device_create(struct request *r);
void gowa_device_get(struct request *r);
void gowa_device_delete(struct request *r);
void gowa_webhook_get(struct request *r);
void gowa_webhook_set(struct request *r);

/* gowa-login.c: pairing and what ends it */
void gowa_login(struct request *r);
void gowa_login_code(struct request *r);
void gowa_logout(struct request *r);
void gowa_reconnect(struct request *r);
void gowa_status(struct request *r);
void gowa_picture(struct request *r);

/* gowa-server.c: the process, and messages out */
void gowa_health(struct request *r);
void gowa_info(struct request *r);
void gowa_send(struct request *r);

/* gowa-event.c */
void gowa_event_entered(struct gateway *gw, struct session *s, int64_t at);
void gowa_event_message(struct gateway *gw, struct session *s, const struct message *m);
void gowa_event_ack(struct gateway *gw, struct session *s, const struct message *m);

/* gowa-reply.c */

/* {"code":"SUCCESS","message":...,"results":, of which the caller appends the value and
   then "}". */
void gowa_reply_begin(struct request *r, const char *message);

/* The same without results, complete. */
void gowa_reply_done(struct request *r, const char *message);

/* {"code","message"}. */
void gowa_reply_error(
	struct request *r, unsigned status, const char *code, const char *message);

/* An error with the code that usually goes with its status; 401 is Basic auth's. */
void gowa_reply_status(struct request *r, unsigned status, const char *message);

/* 500 "device X <what>". */
void gowa_reply_device(struct request *r, const char *name, const char *what);

/* A text that is no JSON. */
void gowa_reply_text(struct request *r, unsigned status, const char *text);

/* The device named in the path (the second segment); NULL: the answer is made. */
struct session *gowa_device(struct request *r);

/* The word for its state. */
const char *gowa_state(const struct session *s);

/* Append its JID, with the device's number or (bare) without; nothing if not paired. */
void gowa_add_jid(struct text *out, const struct session *s, bool bare);

#endif
