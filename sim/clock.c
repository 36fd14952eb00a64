#include "clock.h"

#include <stdio.h>

static double time_scale = 1;
static double qr_scale; /* 0: time_scale */

void
clock_set_scale(double scale)
{
	time_scale = scale;
}

void
clock_set_qr_scale(double scale)
{
	qr_scale = scale;
}

int64_t
clock_qr_life(int64_t simulated_ms)
{
	if (qr_scale == 0)
		return simulated_ms;
	return (int64_t)((double)simulated_ms * time_scale / qr_scale);
}

double
clock_scale(void)
{
	return time_scale;
}

int64_t
clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
clock_wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t
clock_scaled(int64_t simulated_ms)
{
	return (int64_t)((double)simulated_ms * 1000.0 / time_scale);
}

int64_t
clock_in(int64_t simulated_ms)
{
	return clock_us() + clock_scaled(simulated_ms);
}

struct timespec
clock_timespec(int64_t us)
{
	struct timespec ts = {.tv_sec = us / 1000000, .tv_nsec = (us % 1000000) * 1000};

	return ts;
}

void
clock_iso(char *out, unsigned long size)
{
	int64_t ms = clock_wall_ms();
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char head[24];

	gmtime_r(&seconds, &tm);
	strftime(head, sizeof head, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, size, "%s.%03dZ", head, (int)(ms % 1000));
}
