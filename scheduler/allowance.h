/* An allowance: how many messages per how long a receiver takes from us, found out by being refused.
 *
 * Nothing is known, and nothing held back, until the receiver says "too much". From then on the end of its window is
 * looked for with single messages at growing distances, because refused ones may be counted too; what was taken
 * between two such ends, and the time between them, is the allowance. It is used evenly, a little below its rate, so
 * that it does not matter whether the receiver counts in fixed windows or over the last so many seconds; and now and
 * then a little more is tried.
 *
 *     if (allowance_take(a, now))                        one recipient goes; it must be answered by one of:
 *             allowance_accepted(a, now);                it was taken (or refused for another reason)
 *             allowance_refused(a, hint_ms, now);        "too much"; hint: the receiver named a time
 *             allowance_give(a, now);                    it was not tried after all
 *     else look again at allowance_next_ms(a, now);      or when the one that is out is answered
 *
 * Pure, and embedded in its owner; all zero is "nothing is known". */
#pragma once

#include "scheduler/pace.h"

struct allowance {
	uint32_t count, window_ms; /* so many in so long; count 0: not known */
	struct pace pace;	   /* just under that; unlimited while it is not known */
	uint64_t begin_ms;	   /* the run: since it was last found open; 0: nothing was taken yet */
	uint64_t taken_ms;	   /* the latest that was taken */
	uint64_t taken;		   /* in the run */
	uint64_t closed_ms;	   /* first refused then, and not found open since; 0: it is open */
	uint64_t refused_ms;	   /* latest refused, since closed_ms */
	uint64_t probe_ms;	   /* then one may try */
	bool probing;		   /* it is out */
	bool measuring;		   /* the run is short enough to learn the window from it */
	/* Trying more: since calm_ms nothing was refused, and calm_taken of taken were before that. */
	uint64_t calm_ms, calm_taken;
	uint32_t raised_from;	/* what is tried now is a step up from this; 0: it is known to do */
	uint16_t raise_percent; /* the next step */
	uint16_t patience;	/* windows without a refusal before the first step */
	uint64_t refused;	/* in all */
};

/* How many of n may go now, taken from it. */
unsigned allowance_take(struct allowance *allowance, unsigned n, uint64_t now_ms);
void allowance_give(struct allowance *allowance, unsigned n, uint64_t now_ms);
/* 0: one may go now; else when to look again. */
uint64_t allowance_next_ms(const struct allowance *allowance, uint64_t now_ms);
/* It is refused just now, and the end of that is looked for. */
bool allowance_is_closed(const struct allowance *allowance);

void allowance_accepted(struct allowance *allowance, unsigned n, uint64_t now_ms);
void allowance_refused(struct allowance *allowance, unsigned n, uint64_t hint_ms, uint64_t now_ms);

/* What was learned earlier is taken up again; the less it is trusted (per cent), the sooner more is tried. */
void allowance_recall(struct allowance *allowance, uint32_t count, uint32_t window_ms, unsigned trust_percent,
		      uint64_t now_ms);
