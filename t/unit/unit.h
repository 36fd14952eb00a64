/* unit: what every unit test's main does. */
#ifndef WAPOOL_UNIT_H
#define WAPOOL_UNIT_H

#include <check.h>

/* Runs the suite with TAP, and nothing else, on standard output. Returns main's status.
 * Tests must also pass with CK_FORK=no, as sanitizers and valgrind need it. */
int unit_main(Suite *s);

/* A suite of one case that holds the tests, for unit_main. The list ends with NULL. */
Suite *unit_suite(const char *name, const TTest *const *tests);

#endif
