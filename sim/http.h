/*
 * http: the listening socket, and the way of a request through the simulator.
 *
 * One thread per connection (libmicrohttpd), so that an answer that is late holds up
 * nobody else.
 */
#ifndef SIM_HTTP_H
#define SIM_HTTP_H

#include <stdbool.h>

/* Listen on address:port (0: any free one). Returns the port, or -1 with errno set. */
int http_start(const char *address, int port);

/* Answer nothing more, wait for the requests in progress, close. gateways_end() first,
   or sleeping requests are waited for. */
void http_stop(void);

/* No request begins any more, and hanging ones end. */
void http_refuse(void);

#endif
