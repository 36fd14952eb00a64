/*
 * lifecycle: what is done under a session's lock, with WAHA's delays.
 *
 * Between waha_lock_begin() and waha_lock_end() no other lifecycle call works on that
 * name. The gateway's lock is held throughout, except while something waits.
 */
#ifndef SIM_WAHA_LOCK_H
#define SIM_WAHA_LOCK_H

#include "request.h"

/* Take the lock of a session's name; false: not taken and the answer is made (500, as
   WAHA gives after 5 s). */
bool waha_lock_begin(struct request *r, const char *name)
	__attribute__((warn_unused_result));

/* Give the lock back. */
void waha_lock_end(struct request *r, const char *name);

/* Replace a session's configuration (taken over), restarting it if it runs, and
   answer. */
void
waha_lock_update(struct request *r, const char *name, char *config, bool has_webhooks);

/* Stop a running session and wait as WAHA does; false if the request is over. */
bool
waha_lock_stop(struct request *r, const char *name) __attribute__((warn_unused_result));

/* Let a running session tell WhatsApp that it goes; false if the request is over. */
bool waha_lock_unpair(struct request *r, const char *name)
	__attribute__((warn_unused_result));

/* Stop, log out and forget a session: the whole of DELETE, and what the deprecated
   calls do. */
void waha_lock_delete(struct request *r, const char *name);

#endif
