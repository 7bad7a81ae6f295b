/* The judge: what a reply means on a connection: by the operator's rules (smtp/local_rules.h) first, by the built-in
 * ones else.
 *
 * A worker has one. It remembers how often rules with `after` were met on each lane, under the names of site and
 * source, so that a lane that comes and goes is not forgiven; and it does with the lane what a rule says beside its
 * verdict (a rate for a while). Counts begin anew when the configuration is read again.
 *
 *     struct session_setup setup = {.judge = judge_hear, .judge_who = conn, ...}; */
#pragma once

#include "base/map.h"
#include "smtp/local_rules.h"

struct conn;

struct judge {
	struct map tallies; /* owned entries */
};

/* For the session of a connection (session_setup). */
struct verdict judge_hear(void *conn, const struct heard *heard);
void judge_free(struct judge *judge);
