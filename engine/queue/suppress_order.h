/* The orders suppress and unsuppress, from the control stream:
 *
 *     XADD hikyaku:control * do suppress match '{"address":"ann@a.test","tenant":"acme","reason":"asked by phone"}'
 *             for 30d by alice ref R
 *
 * address: one, or a list of up to 500. tenant: whose list; everybody's without one. reason: for suppress. Without
 * `for` an entry stays as long as one that a verdict made. The answer has "count": how many were not there before, or
 * were. */
#pragma once

#include "queue/desk.h"

/* A row of desk.c. */
bool suppress_order(struct desk *desk, const struct control *control, struct refusal *refusal);
