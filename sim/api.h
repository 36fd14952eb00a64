/*
 * api: WAHA's HTTP API.
 *
 * api_run() is the way every API request takes: faults, key, route, handler.
 */
#ifndef SIM_API_H
#define SIM_API_H

#include "request.h"

/* The key requests must carry; NULL (the default) asks for none. Set before
   http_start(); borrowed. */
void api_set_key(const char *key);

/* Answer a request of the API. Called with the gateway's lock held. */
void api_run(struct request *r);

/* The handlers, by file. Each documents itself by its route in api.c. */

/* api-sessions.c: one session, or the list */
void api_sessions_list(struct request *r);
void api_sessions_create(struct request *r);
void api_session_get(struct request *r);
void api_session_me(struct request *r);
void api_session_update(struct request *r);

/* api-lifecycle.c: what holds a session's lock for long */
void api_session_start(struct request *r);
void api_session_stop(struct request *r);
void api_session_restart(struct request *r);
void api_session_logout(struct request *r);
void api_session_delete(struct request *r);
void api_old_start(struct request *r);
void api_old_stop(struct request *r);
void api_old_logout(struct request *r);

/* api-auth.c: linking */
void api_auth_qr(struct request *r);
void api_auth_code(struct request *r);

/* api-send.c: messages */
void api_send_text(struct request *r);

/* api-server.c: the process */
void api_ping(struct request *r);
void api_health(struct request *r);
void api_server_status(struct request *r);
void api_server_version(struct request *r);

#endif
