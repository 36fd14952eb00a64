/*
 * clock: real time, and simulated durations.
 *
 * Every duration the simulator waits for (QR life, retries, delays) is written in
 * simulated milliseconds and shortened by the time scale. Timestamps shown to
 * clients are always the real wall clock. Thread-safe once the scale is set.
 */
#ifndef SIM_CLOCK_H
#define SIM_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Set how many times faster than real time simulated durations run; call once,
   before any thread. */
void clock_set_scale(double scale);

/* The scale that was set (1 unless told). */
double clock_scale(void);

/* Lets QRs live shorter by another scale than the rest; 0: by the same. */
void clock_set_qr_scale(double scale);

/* The life of a QR of so many simulated ms, as simulated ms of the common scale. */
int64_t clock_qr_life(int64_t simulated_ms);

/* Monotonic real time in microseconds. */
int64_t clock_us(void);

/* Wall clock in milliseconds since 1970. */
int64_t clock_wall_ms(void);

/* The real microseconds that simulated_ms lasts. */
int64_t clock_scaled(int64_t simulated_ms);

/* The monotonic instant `simulated_ms` from now, in microseconds. */
int64_t clock_in(int64_t simulated_ms);

/* A monotonic instant as the timespec pthread_cond_timedwait() wants. */
struct timespec clock_timespec(int64_t us);

/* Now as "2026-02-03T04:05:06.789Z" into out (at least 32 bytes). */
void clock_iso(char *out, unsigned long size);

#endif
