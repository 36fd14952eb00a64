/*
 * api: the way every request to a gateway's own API takes: faults, the key, the route
 * of its kind, the handler.
 */
#ifndef SIM_API_H
#define SIM_API_H

#include "request.h"

/* The key requests must carry; NULL (the default) asks for none. Set before
   http_start(); borrowed. */
void api_set_key(const char *key);

/* That key, or NULL. */
const char *api_key(void);

/* Answer a request of the API. Called with the gateway's lock held. */
void api_run(struct request *r);

#endif
