/* Pace: a token bucket with exact times. "100/m, burst 5" allows five at once and then one every 600 ms; asked when
 * the next is free it gives the very millisecond, so nobody has to poll.
 *
 * It is kept as one instant, the time at which the bucket would be full again (GCRA): 8 bytes of state, no drift. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A rate as it is configured: count 0: no limit; burst 0: one second's worth. */
struct pace_limit {
	uint64_t count, period_ms, burst;
};

struct pace {
	uint64_t count, period_us; /* count in each period; count 0: no limit */
	uint64_t burst;
	uint64_t full_us; /* when the bucket is full again, on the clock of now_ms */
};

/* count 0 means unlimited; burst 0 means one second's worth, at least 1. */
void pace_init(struct pace *pace, uint64_t count, uint64_t period_ms, uint64_t burst);
/* How many of n may go now; takes them. */
unsigned pace_take(struct pace *pace, unsigned n, uint64_t now_ms);
/* Gives n back that were taken and not used. */
void pace_give(struct pace *pace, unsigned n);
/* 0 if one may go now, else the monotonic time at which one may. */
uint64_t pace_next_ms(const struct pace *pace, uint64_t now_ms);
