/*
 * control: the simulator's own API under /_sim/, for tests and for people.
 *
 * It asks for no key and answers loopback clients only.
 */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include "request.h"

/* Whether the request is one of the control API. */
bool control_is(const struct request *r);

/* Answer it. Called with the gateway's lock held. */
void control_run(struct request *r);

/* Add the headers that only control answers have. */
void control_headers(const struct request *r, struct MHD_Response *response);

/* The handlers, by file. Each documents itself by its route in control.c. */

/* control-sessions.c: what phones and networks do */
void control_list(struct request *r);
void control_scan(struct request *r);
void control_drop(struct request *r);
void control_restore(struct request *r);
void control_logout(struct request *r);
void control_message(struct request *r);

/* control-gateway.c: the gateway as a whole */
void control_kind_get(struct request *r);
void control_kind_put(struct request *r);
void control_restart(struct request *r);
void control_reset(struct request *r);
void control_faults_get(struct request *r);
void control_faults_put(struct request *r);
void control_faults_delete(struct request *r);
void control_stats(struct request *r);

/* page.c: the page for people */
void page_html(struct request *r);
void page_js(struct request *r);
void page_css(struct request *r);

#endif
