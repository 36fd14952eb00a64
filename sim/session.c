#include "session.h"

#include "clock.h"
#include "fault.h"
#include "gateway.h"
#include "ids.h"
#include "kind.h"
#include "mem.h"

#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 500    /* STARTING until the QR, or until WORKING */
#define RELINK_MS 2000    /* STARTING after a scan until WORKING */
#define RECONNECT_MS 2000 /* between two STARTING while the network is down */

static const char *const names[STATUS__MAX] = {
	"STOPPED",      /* STATUS_STOPPED */
	"STARTING",     /* STATUS_STARTING */
	"SCAN_QR_CODE", /* STATUS_SCAN_QR_CODE */
	"WORKING",      /* STATUS_WORKING */
	"FAILED",       /* STATUS_FAILED */
};

static timer_fn tick;

const char *
status_name(enum status status)
{
	return names[status];
}

enum status
status_parse(const char *name)
{
	int i;

	for (i = 0; i < STATUS__MAX; i++)
		if (strcmp(names[i], name) == 0)
			break;
	return (enum status)i;
}

struct session *
session_new(struct gateway *gw, const char *name)
{
	struct session *s = mem_zero(sizeof *s);

	strncpy(s->name, name, SESSION_NAME_MAX);
	s->timer.fire = tick;
	s->last_event_ms = gw->last_event_ms;
	sessions_add(&gw->sessions, s);
	wait_wake(gw, s->name);
	return s;
}

void
session_delete(struct gateway *gw, struct session *s)
{
	if (s->last_event_ms > gw->last_event_ms)
		gw->last_event_ms = s->last_event_ms;
	timer_cancel(&gw->timers, &s->timer);
	sessions_remove(&gw->sessions, s);
	wait_wake(gw, s->name);
	free(s->config);
	free(s->qr);
	free(s->code);
	free(s->phone);
	free(s->push_name);
	json_decref(s->own);
	free(s);
}

void
session_configure(struct session *s, char *config, bool has_webhooks)
{
	free(s->config);
	s->config = config;
	s->has_webhooks = has_webhooks;
}

bool
session_running(const struct session *s)
{
	return s->status != STATUS_STOPPED;
}

int64_t
session_stamp(struct session *s)
{
	int64_t now = clock_wall_ms();

	s->last_event_ms = now > s->last_event_ms ? now : s->last_event_ms + 1;
	return s->last_event_ms;
}

static void
record(struct session *s, enum status status, int64_t at)
{
	if (s->history_count == SESSION_STATUSES) {
		memmove(s->history, s->history + 1,
			sizeof s->history - sizeof s->history[0]);
		s->history_count--;
	}
	s->history[s->history_count].status = status;
	s->history[s->history_count++].at = at;
}

static void
clear_qr(struct session *s)
{
	free(s->qr);
	free(s->code);
	s->qr = s->code = NULL;
}

static void fail(struct gateway *gw, struct session *s, enum why why);

/* The one place a status changes. */
static void
enter(struct gateway *gw, struct session *s, enum status status)
{
	int64_t at;

	if (status == STATUS_WORKING && s->status == STATUS_WORKING)
		return;
	if (status != STATUS_SCAN_QR_CODE)
		clear_qr(s);
	if (status == STATUS_STOPPED || status == STATUS_FAILED)
		timer_cancel(&gw->timers, &s->timer);
	s->status = status;
	s->starting = status == STATUS_STARTING ? s->starting + 1 : 0;
	at = session_stamp(s);
	record(s, status, at);
	gw->kind->entered(gw, s, at);
	wait_wake(gw, s->name);
	if (gw->kind->starting_max > 0 && s->starting >= gw->kind->starting_max)
		fail(gw, s, WHY_NETWORK);
}

static void
fail(struct gateway *gw, struct session *s, enum why why)
{
	s->why = why;
	enter(gw, s, STATUS_FAILED);
}

static void
arm(struct gateway *gw, struct session *s, int64_t simulated_ms)
{
	if (session_running(s) && s->status != STATUS_FAILED)
		gateway_arm(gw, &s->timer, simulated_ms);
}

static void
show_qr(struct gateway *gw, struct session *s)
{
	clear_qr(s);
	s->qr = ids_qr();
	s->qr_shown++;
	enter(gw, s, STATUS_SCAN_QR_CODE);
	arm(gw, s,
		clock_qr_life(s->qr_shown == 1 ? gw->kind->qr_first_ms
					       : gw->kind->qr_next_ms));
}

/* The end of a STARTING: what WhatsApp answered. */
static void
connect_attempt(struct gateway *gw, struct session *s)
{
	if (fault_roll(gw, FAULT_STUCK_STARTING, s->name, NULL) != NULL)
		return;
	if (s->network_down) {
		enter(gw, s, STATUS_STARTING);
		arm(gw, s, RECONNECT_MS);
	} else if (s->linked) {
		s->me_known = true;
		enter(gw, s, STATUS_WORKING);
	} else {
		show_qr(gw, s);
	}
}

static void
tick(struct gateway *gw, struct timer *t)
{
	struct session *s = TIMER_OWNER(t, struct session, timer);

	if (s->status == STATUS_STARTING)
		connect_attempt(gw, s);
	else if (s->status == STATUS_SCAN_QR_CODE && s->qr_shown < gw->kind->qr_max)
		show_qr(gw, s);
	else if (s->status == STATUS_SCAN_QR_CODE)
		fail(gw, s, WHY_QR_LIMIT);
}

void
session_start(struct gateway *gw, struct session *s)
{
	s->generation++;
	s->history_count = 0;
	s->starting = 0;
	s->qr_shown = 0;
	s->me_known = false;
	s->resume = false;
	s->why = WHY_NONE;
	s->activity_ms = 0;
	enter(gw, s, STATUS_STARTING);
	arm(gw, s, CONNECT_MS);
}

void
session_stop(struct gateway *gw, struct session *s)
{
	s->resume = false;
	enter(gw, s, STATUS_STOPPED);
}

void
session_logout(struct gateway *gw, struct session *s)
{
	session_unlink(s);
	s->why = WHY_LOGGED_OUT;
	s->resume = false;
	enter(gw, s, STATUS_STOPPED);
}

void
session_unlink(struct session *s)
{
	s->linked = false;
	s->me_known = false;
	free(s->phone);
	free(s->push_name);
	s->phone = s->push_name = NULL;
}

bool
session_scan(
	struct gateway *gw, struct session *s, const char *phone, const char *push_name)
{
	struct text name = {0};

	if (s->status != STATUS_SCAN_QR_CODE)
		return false;
	session_unlink(s);
	text_addf(&name, "Simulated %s", phone);
	s->linked = s->me_known = true;
	s->phone = mem_copy(phone);
	s->push_name = mem_copy(push_name != NULL ? push_name : name.s);
	text_free(&name);
	enter(gw, s, STATUS_STARTING);
	arm(gw, s, RELINK_MS);
	return true;
}

bool
session_phone_logout(struct gateway *gw, struct session *s)
{
	if (!s->linked)
		return false;
	s->linked = false;
	if (session_running(s) && s->status != STATUS_FAILED)
		fail(gw, s, WHY_LOGGED_OUT);
	return true;
}

void
session_drop(struct gateway *gw, struct session *s)
{
	s->network_down = true;
	if (s->status == STATUS_SCAN_QR_CODE && gw->kind->fails_unlinked) {
		fail(gw, s, WHY_NETWORK);
	} else if (s->status == STATUS_WORKING || s->status == STATUS_SCAN_QR_CODE) {
		enter(gw, s, STATUS_STARTING);
		arm(gw, s, RECONNECT_MS);
	}
}

void
session_restore(struct gateway *gw, struct session *s)
{
	if (s->network_down && s->status == STATUS_STARTING)
		arm(gw, s, CONNECT_MS);
	s->network_down = false;
}

void
session_vanish(struct gateway *gw, struct session *s)
{
	s->resume = s->resume || session_running(s);
	timer_cancel(&gw->timers, &s->timer);
	clear_qr(s);
	s->status = STATUS_STOPPED;
	s->history_count = 0;
	s->me_known = false;
}

const char *
session_pairing_code(struct session *s)
{
	char code[IDS_CODE_SIZE];

	ids_pairing_code(code);
	free(s->code);
	s->code = mem_copy(code);
	return s->code;
}
