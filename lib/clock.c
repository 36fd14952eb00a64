#include "lib/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

static int64_t
read_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
clock_ms(void)
{
	return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t
clock_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

int64_t
clock_wall_ms(void)
{
	return read_us(CLOCK_REALTIME) / 1000;
}

deadline_t
deadline_in(int64_t ms)
{
	return clock_ms() + ms;
}

deadline_t
deadline_min(deadline_t a, deadline_t b)
{
	return a < b ? a : b;
}

int
deadline_left(deadline_t d)
{
	int64_t left = d - clock_ms();

	if (left <= 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

bool
clock_sleep(int64_t ms, deadline_t d)
{
	int64_t until = deadline_min(deadline_in(ms), d);
	struct timespec ts = {
		.tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
	return deadline_left(d) > 0;
}

void
clock_rfc3339(int64_t wall_ms, char *out, size_t size)
{
	time_t secs = (time_t)(wall_ms / 1000);
	struct tm tm;
	char date[32];

	gmtime_r(&secs, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, size, "%s.%03dZ", date, (int)(wall_ms % 1000));
}

uint32_t
clock_jitter(uint32_t n)
{
	uint32_t v = 0;

	if (n == 0 || getrandom(&v, sizeof(v), 0) != sizeof(v))
		return 0;
	return (uint32_t)((uint64_t)v * n >> 32);
}
