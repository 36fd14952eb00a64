/* version: of this wapool, as VERSION in GNUmakefile has it. */
#ifndef WAPOOL_LIB_VERSION_H
#define WAPOOL_LIB_VERSION_H

extern const char wapool_version[];

#endif
