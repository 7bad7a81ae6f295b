/* Warm-up: a new address may send a site a little more each day, until the receiver knows it.
 *
 *     warm_up_plan(&warm_up, 20788, daily, 4);                   from 2026-12-01 on 50, 100, 200, 400 recipients
 *     warm_up_clock(&warm_up, wall_ms - now_ms);                 days are the calendar's, in UTC
 *     n = warm_up_take(&warm_up, 32, now_ms);                    how many of 32 may go now
 *     if (n == 0) look again at warm_up_next_ms(&warm_up, now_ms);
 *
 * A day's recipients are spread over it: at any time as many may have gone as its part that has passed, and an hour
 * more, so that a mailing in the morning cannot use up the evening. Before the first day nothing may go, after the last
 * one of the list there is no limit. What was sent today must outlive the process: warm_up_used tells it,
 * warm_up_restore brings it back.
 *
 * The count is one atomic word: any thread may take, look and write it down. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct warm_up {
	_Atomic uint64_t count;	       /* the day in the upper half, recipients in the lower */
	_Atomic int64_t wall_ahead_ms; /* of now_ms */
	_Atomic int64_t start_day;     /* days since 1970 */
	const unsigned *_Atomic daily; /* borrowed for its life */
	_Atomic unsigned ndaily;
};

/* A plan, or another one after a reload: what was sent today stays counted. ndaily 0: no limit any more. */
void warm_up_plan(struct warm_up *warm_up, int64_t start_day, const unsigned *daily, unsigned ndaily);
void warm_up_clock(struct warm_up *warm_up, int64_t wall_ahead_ms);
/* What had been sent on that day, if it is today and more than is known. */
void warm_up_restore(struct warm_up *warm_up, int64_t day, unsigned used);

/* How many may go now. */
unsigned warm_up_left(const struct warm_up *warm_up, uint64_t now_ms);
unsigned warm_up_take(struct warm_up *warm_up, unsigned n, uint64_t now_ms);
/* Gives n back that were taken and not used. */
void warm_up_give(struct warm_up *warm_up, unsigned n);
/* 0 if one may go now, else the monotonic time at which one may. */
uint64_t warm_up_next_ms(const struct warm_up *warm_up, uint64_t now_ms);

/* It is before or within the days of the list: there is a limit today. */
bool warm_up_is_on(const struct warm_up *warm_up, uint64_t now_ms);
/* The day that is counted, and how many went on it. */
int64_t warm_up_used(const struct warm_up *warm_up, unsigned *used);
