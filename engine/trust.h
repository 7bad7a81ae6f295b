/* Trust: whether a site's certificates go on being vouched for. A trust store that lost an authority, ours or theirs,
 * or somebody in between, shows at a large receiver within a minute: what was verified all the time is not any more.
 *
 *     if (trust_note(&target->trust, verified, now_ms)) ... raise an alarm, once an hour
 *
 * A value, empty at first. Pure: time is an argument. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* So many connections verified within an hour make a large receiver, and so many in a row that are not, an alarm. */
enum { TRUST_MANY = 20, TRUST_HOUR_MS = 3600 * 1000 };

struct trust {
	uint64_t hour_ms;	   /* when the hour at hand began */
	uint32_t verified, before; /* in it, and in the one before that had any */
	uint32_t failed;	   /* in a row */
	bool told;		   /* of this row */
	uint64_t told_ms;
};

/* In an earlier run this many were verified: as if it were in the hour before. */
void trust_recall(struct trust *trust);
/* The latest connection makes it a large receiver, in the hour at hand: once an hour. Ask after trust_note. */
bool trust_is_established(const struct trust *trust);
/* One more connection. True: now is the time to tell somebody. */
bool trust_note(struct trust *trust, bool verified, uint64_t now_ms);
