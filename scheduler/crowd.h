/* A crowd: how many connections at a time a receiver lets us have, found out by being turned away.
 *
 * The window opens by one with every message that is taken, until a connection is refused; then it is as many as were
 * open at that moment, and one more is tried only now and then, at distances that double while it is refused.
 *
 *     if (crowd_admits(&crowd, have, now)) open one more;         have: open and being opened
 *     crowd_accepted(&crowd, open, now);                          a message was taken while so many were open
 *     crowd_refused(&crowd, open, now);                           a connection was not let in, or was thrown out;
 *                                                                 so many are left
 *
 * Pure, and embedded in its owner. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { CROWD_FIRST = 2 /* connections, before anything is known */ };

struct crowd {
	uint16_t window; /* connections it may have now */
	uint16_t edge;	 /* as many as were let in when one more was not; 0: never refused */
	uint32_t patience_ms;
	uint64_t try_ms; /* then one more than the edge may be tried; 0: no edge */
};

void crowd_init(struct crowd *crowd);
bool crowd_admits(const struct crowd *crowd, unsigned have, uint64_t now_ms);
/* When it will admit one more without anything else happening; 0: that is not a matter of time. */
uint64_t crowd_next_ms(const struct crowd *crowd, unsigned have, uint64_t now_ms);
void crowd_accepted(struct crowd *crowd, unsigned open, uint64_t now_ms);
void crowd_refused(struct crowd *crowd, unsigned open, uint64_t now_ms);
/* What was learned earlier: it is taken up again. */
void crowd_recall(struct crowd *crowd, unsigned edge, unsigned trust_percent, uint64_t now_ms);
