/*
 * mem: allocation that cannot fail.
 *
 * The simulator is a test tool: out of memory it prints one line and ends. Every
 * result is owned by the caller and released with free(). Thread-safe.
 */
#ifndef SIM_MEM_H
#define SIM_MEM_H

#include <stddef.h>

/* A zeroed block of size bytes. */
void *mem_zero(size_t size) __attribute__((malloc, warn_unused_result));

/* The block p with room for size bytes; p may be NULL. */
void *mem_grow(void *p, size_t size) __attribute__((warn_unused_result));

/* A copy of s; NULL for NULL. */
char *mem_copy(const char *s) __attribute__((warn_unused_result));

#endif
