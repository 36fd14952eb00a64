/*
 * seal-int: what seal.c and seal-key.c share; for no other file.
 */
#ifndef WAPOOL_SEAL_INT_H
#define WAPOOL_SEAL_INT_H

#include "lib/seal.h"

#define SEAL_VERSION_MAX 1000000

/* The 32 bytes of that version's key, borrowed; NULL if there is none. */
const unsigned char *seal_key_find(const struct seal_key *k, int version);

#endif
