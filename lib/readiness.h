/*
 * readiness: whether this installation can serve: GET /readyz.
 *
 * The schema is ours if every change of migrations/sqitch.plan, as the plan was when this was
 * compiled, is deployed. sqitch's own registry tells (schema `sqitch` of the database), which each
 * deploy and revert writes, so that there is no number for anybody to forget. Further changes do
 * no harm: programs of the version before go on working with them (HACKING.md).
 * Thread-safety: as db.
 */
#ifndef WAPOOL_READINESS_H
#define WAPOOL_READINESS_H

#include <stdbool.h>

#include "lib/app.h"
#include "lib/clock.h"

struct readiness {
	bool writable; /* the database answers, and is no standby */
	bool schema;   /* it has all that this build needs; what is missing is logged */
	bool stocked;  /* an instance was made, ever: an empty pool is being refilled */
};

/* Looks. What fails or is not known by d is false. */
struct readiness readiness_look(struct app *app, deadline_t d);

#endif
