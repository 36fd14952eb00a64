#include "lib/version.h"

#ifndef WAPOOL_VERSION /* an object made without our GNUmakefile: a linter's, say */
#define WAPOOL_VERSION "unknown"
#endif

const char wapool_version[] = WAPOOL_VERSION;
