/* The limits of a lane, as configured. Hundreds of thousands of lanes have the same few sets of them: each set is kept
 * once, counted, and lanes point at it.
 *
 *     lane->limits = lane_limits_hold(&scheduler->limits, &limits);      the set that says the same, or a new one
 *     lane_limits_drop(&scheduler->limits, lane->limits);                freed with its last lane */
#pragma once

#include "scheduler/budget.h"
#include "scheduler/pace.h"
#include "scheduler/retry.h"

#include "base/map.h"

struct warm_up;

enum { LANE_SOURCE_BUDGETS_MAX = 2 };

/* Without holes, so that sets are compared as bytes, up to `ended`, which stays the last. */
struct lane_limits {
	uint64_t rate_count, rate_period_ms, rate_burst; /* recipients attempted; count 0: unlimited */
	struct pace_limit connection_rate;		 /* connections opened; count 0: unlimited */
	struct budget *budgets[LANE_SOURCE_BUDGETS_MAX]; /* borrowed: what its source may at all sites; never fewer */
	struct budget *connects;   /* borrowed: connections its source opens anywhere, in a time; NULL: no such limit */
	uint64_t expires_after_ms; /* since it was queued, where its job does not say; 0: its record says */
	uint64_t overflow;	   /* bit i: lane i sends what is over while the source is warmed up */
	struct warm_up *warm_up;   /* borrowed; NULL: none */
	struct retry retry;
	unsigned nbudgets;
	unsigned connections; /* at a time */
	unsigned messages_per_connection;
	unsigned recipients_per_message;
	unsigned window;   /* transactions under way on a connection; 1: no window */
	unsigned family;   /* of its source's address, as in exchanger_spec; 0: any */
	unsigned weight;   /* of its source in the pool */
	unsigned reserved; /* connections kept for transactional mail */
	bool learning;	   /* inside these limits; off: they are all there is */
	bool ended;	   /* its source is gone from the configuration: nothing new goes out on it */
};

const struct lane_limits *lane_limits_hold(struct map *sets, const struct lane_limits *limits);
void lane_limits_drop(struct map *sets, const struct lane_limits *limits);
