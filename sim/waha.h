/*
 * waha: a simulated WAHA, 2026.2.1 with the NOWEB engine.
 */
#ifndef SIM_WAHA_H
#define SIM_WAHA_H

#include "request.h"
#include "text.h"

struct session;

#define WAHA_VERSION "2026.2.1"

/* The handlers, by file. Each documents itself by its route in waha.c. */

/* waha-sessions.c: one session, or the list */
void waha_sessions_list(struct request *r);
void waha_sessions_create(struct request *r);
void waha_session_get(struct request *r);
void waha_session_me(struct request *r);
void waha_session_update(struct request *r);

/* waha-lifecycle.c: what holds a session's lock for long */
void waha_session_start(struct request *r);
void waha_session_stop(struct request *r);
void waha_session_restart(struct request *r);
void waha_session_logout(struct request *r);
void waha_session_delete(struct request *r);
void waha_old_start(struct request *r);
void waha_old_stop(struct request *r);
void waha_old_logout(struct request *r);

/* waha-auth.c: linking */
void waha_auth_qr(struct request *r);
void waha_auth_code(struct request *r);

/* waha-send.c: messages */
void waha_send_text(struct request *r);

/* waha-server.c: the process */
void waha_ping(struct request *r);
void waha_health(struct request *r);
void waha_server_status(struct request *r);
void waha_server_version(struct request *r);

/* Append WAHA's MeInfo of the session, or null. */
void waha_add_me(const struct session *s, struct text *out);

/* Append WAHA's SessionInfo. `in_list` adds what only the list shows. */
void waha_add_info(const struct gateway *gw, const struct session *s, bool in_list,
	struct text *out);

#endif
