#include "lib/health.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
	[HEALTH_HEALTHY] = "healthy",
	[HEALTH_DISCONNECTED] = "disconnected",
	[HEALTH_DEGRADED] = "degraded",
	[HEALTH_STUCK] = "stuck",
	[HEALTH_CORRUPTED] = "corrupted",
	[HEALTH_NOT_FOUND] = "not_found",
};

#define NSTATES (sizeof(names) / sizeof(names[0]))

static struct health_verdict verdict(enum health state, enum remedy remedy,
	const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static struct health_verdict
verdict(enum health state, enum remedy remedy, const char *fmt, ...)
{
	struct health_verdict v = {.state = state, .remedy = remedy};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v.reason, sizeof(v.reason), fmt, ap);
	va_end(ap);
	return v;
}

static int
seconds(const struct health_facts *f)
{
	return (int)(f->state_ms / 1000);
}

/* Existence. */
static struct health_verdict
judge_absent(const struct health_facts *f)
{
	if (f->bad_samples < HEALTH_SAMPLES)
		return verdict(HEALTH_DEGRADED, REMEDY_NONE,
			"The gateway did not list it (%d of %d looks)", f->bad_samples,
			HEALTH_SAMPLES);
	if (f->assigned && f->paired)
		return verdict(HEALTH_CORRUPTED, REMEDY_RELEASE,
			"The gateway lost a session that was connected");
	return verdict(
		HEALTH_NOT_FOUND, REMEDY_CLEANUP, "The gateway has no such session");
}

/* Consistency: standing by means stopped and nobody's. */
static struct health_verdict
judge_standby(const struct health_facts *f)
{
	if (f->has_phone)
		return verdict(HEALTH_CORRUPTED, REMEDY_CLEANUP,
			"It holds a phone though it belongs to nobody");
	if (f->state != SESSION_STOPPED)
		return verdict(HEALTH_CORRUPTED, REMEDY_CLEANUP,
			"It runs though it belongs to nobody");
	return verdict(HEALTH_HEALTHY, REMEDY_NONE, "Stands by");
}

/* Timeout: a passing state that does not pass. */
static struct health_verdict
judge_starting(const struct health_facts *f)
{
	if (f->paired && f->state_ms <= HEALTH_RECONNECT_MS)
		return verdict(HEALTH_DEGRADED, REMEDY_NONE, "Reconnecting for %d s",
			seconds(f));
	if (f->paired)
		return verdict(HEALTH_STUCK, REMEDY_RESTART,
			"Stuck in connecting state for %d s", seconds(f));
	if (f->state_ms <= (f->stuck_ms > 0 ? f->stuck_ms : HEALTH_STUCK_MS))
		return verdict(HEALTH_DISCONNECTED, REMEDY_NONE, "Starting");
	return verdict(HEALTH_STUCK, REMEDY_CLEANUP,
		"Stuck in connecting state for %d s", seconds(f));
}

/* Functionality: a session that says it shows a QR must have one. */
static struct health_verdict
judge_scan(const struct health_facts *f)
{
	if (f->paired)
		return verdict(
			HEALTH_DISCONNECTED, REMEDY_RELEASE, "Logged out on the phone");
	if (f->qr == QR_REFUSED && f->bad_samples >= HEALTH_SAMPLES)
		return verdict(HEALTH_STUCK, REMEDY_CLEANUP, "It gives no QR code");
	if (f->qr == QR_REFUSED)
		return verdict(HEALTH_DEGRADED, REMEDY_NONE,
			"It gave no QR code (%d of %d looks)", f->bad_samples,
			HEALTH_SAMPLES);
	return verdict(HEALTH_DISCONNECTED, REMEDY_NONE, "Waits for a scan");
}

static struct health_verdict
judge_working(const struct health_facts *f)
{
	if (f->has_phone)
		return verdict(HEALTH_HEALTHY, REMEDY_NONE, "Connected");
	if (f->bad_samples < HEALTH_SAMPLES)
		return verdict(HEALTH_DEGRADED, REMEDY_NONE,
			"Connected, but the gateway names no phone (%d of %d looks)",
			f->bad_samples, HEALTH_SAMPLES);
	return verdict(HEALTH_CORRUPTED, REMEDY_RESTART,
		"Says it is connected, but to no phone");
}

static struct health_verdict
judge_stopped(const struct health_facts *f)
{
	if (!f->paired)
		return verdict(HEALTH_DISCONNECTED, REMEDY_NONE, "Not started");
	if (f->bad_samples < 2)
		return verdict(HEALTH_DEGRADED, REMEDY_NONE, "Stopped just now");
	return verdict(HEALTH_DEGRADED, REMEDY_RESTART,
		"Stopped though a phone was connected");
}

static struct health_verdict
judge_failed(const struct health_facts *f)
{
	if (f->paired)
		return verdict(HEALTH_DEGRADED, REMEDY_RESTART,
			"Failed after it had been connected");
	return verdict(HEALTH_DISCONNECTED, REMEDY_NONE,
		"The QR code was not scanned in time");
}

/* Connection: what the gateway says of an owned session. */
static struct health_verdict
judge_assigned(const struct health_facts *f)
{
	switch (f->state) {
	case SESSION_WORKING:
		return judge_working(f);
	case SESSION_SCAN:
		return judge_scan(f);
	case SESSION_STARTING:
		return judge_starting(f);
	case SESSION_STOPPED:
		return judge_stopped(f);
	case SESSION_FAILED:
		return judge_failed(f);
	case SESSION_OTHER:
		break;
	}
	return verdict(HEALTH_DEGRADED, REMEDY_NONE, "In a state unknown here: %.50s",
		f->word != NULL ? f->word : "?");
}

static struct health_verdict
judge_error(const struct health_facts *f)
{
	if (f->bad_samples < HEALTH_SAMPLES)
		return verdict(HEALTH_DEGRADED, REMEDY_NONE,
			"The gateway failed to tell its state (%d of %d looks)",
			f->bad_samples, HEALTH_SAMPLES);
	return verdict(HEALTH_CORRUPTED, f->paired ? REMEDY_RESTART : REMEDY_CLEANUP,
		"The gateway cannot tell its state");
}

struct health_verdict
health_judge(const struct health_facts *f)
{
	switch (f->answer) {
	case ANSWER_NONE:
		return verdict(f->before, REMEDY_NONE, "The gateway does not answer");
	case ANSWER_ABSENT:
		return judge_absent(f);
	case ANSWER_FAILED:
		return judge_error(f);
	case ANSWER_SESSION:
		break;
	}
	return f->assigned ? judge_assigned(f) : judge_standby(f);
}

const char *
health_name(enum health h)
{
	return (unsigned)h < NSTATES ? names[h] : names[HEALTH_DEGRADED];
}

enum health
health_of(const char *name)
{
	for (size_t i = 0; i < NSTATES; i++)
		if (strcmp(names[i], name) == 0)
			return (enum health)i;
	return HEALTH_DEGRADED;
}

bool
health_is_well(enum health h)
{
	return h == HEALTH_HEALTHY || h == HEALTH_DISCONNECTED;
}

bool
health_should_cleanup(enum health h)
{
	return h == HEALTH_STUCK || h == HEALTH_CORRUPTED;
}
