/*
 * banned: functions that have no safe use here become compile errors. The makefile
 * includes it before everything else in the product's own code.
 */
#ifndef WAPOOL_BANNED_H
#define WAPOOL_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* with _FORTIFY_SOURCE some C libraries make these macros */
#undef strcpy
#undef strcat
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets
#pragma GCC poison gmtime localtime ctime asctime atoi atol atof

#endif
