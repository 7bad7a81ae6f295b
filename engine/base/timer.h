/* Timers on one lazy wheel.
 *
 * Most deadlines are moved long before they are reached: every reply moves one. So moving is a single store,
 * and the wheel looks at a timer only when the slot it was linked into comes round; if the deadline has moved
 * on by then, the timer is linked again further along. A timer never fires early, and at most one tick
 * (TIMER_TICK_MS) late.
 *
 *     timer_set(&wheel, &conn->timer, now_ms + 300000);   conn->timer.fire was set once
 *     timer_stop(&wheel, &conn->timer);
 *
 * Time is an argument. fire is called from wheel_turn only, with the timer stopped and the time of that turn; it may
 * set it again, and set or stop any other. A timer that is all zero but for fire is as good as after timer_init. */
#pragma once

#include "base/list.h"

#include <stdint.h>

enum { TIMER_TICK_MS = 4, WHEEL_SLOTS = 1024, WHEEL_LEVELS = 3 };

struct timer {
	struct list link;     /* on the wheel while linked */
	uint64_t deadline_ms; /* 0: not set */
	uint64_t slot_ms;     /* when the wheel will look; 0: not linked */
	void (*fire)(struct timer *timer, uint64_t now_ms);
};

struct wheel {
	uint64_t now_tick;
	size_t count;			 /* timers linked */
	uint64_t busy[WHEEL_SLOTS / 64]; /* the finest level's slots that may have timers */
	struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *wheel, uint64_t now_ms);
void timer_init(struct timer *timer, void (*fire)(struct timer *timer, uint64_t now_ms));
/* Sets or moves the deadline; later is a store, earlier relinks. */
void timer_set(struct wheel *wheel, struct timer *timer, uint64_t deadline_ms);
void timer_stop(struct wheel *wheel, struct timer *timer);
static inline bool timer_is_set(const struct timer *timer)
{
	return timer->deadline_ms != 0;
}
/* Fires all that is due. */
void wheel_turn(struct wheel *wheel, uint64_t now_ms);
/* How long the caller may wait before the next wheel_turn: at most cap_ms, never longer than the next timer's
 * slot. Cheap: it looks at one level. */
uint64_t wheel_wait_ms(const struct wheel *wheel, uint64_t now_ms, uint64_t cap_ms);
