/* claim-int: what pool and admin share: a row of the SQL type `claim`. */
#ifndef WAPOOL_CLAIM_INT_H
#define WAPOOL_CLAIM_INT_H

#include <libpq-fe.h>

#include "lib/pool.h"

/* The first row but for its outcome, whose words are each caller's: out->outcome is the first of its
 * enum until he sets it. What would not fit is cut (db_copy). Any thread. */
void claim_of_row(const PGresult *r, struct claim *out);

#endif
