/* Three levels of 1024 slots: 4 ms, 4.1 s and 70 minutes each, 49 days in all. A timer sits in the finest level
 * that reaches as far as its deadline, in the slot just before it, and moves down when that slot comes round. What
 * lies beyond the last level waits in its farthest slot and is looked at again there.
 *
 * A map of bits says which slots of the finest level were linked into, so that an idle wheel turns, and says how
 * long to sleep, in a few words instead of a walk over a thousand lists. A bit may be set for a slot that
 * timer_stop has emptied since: that costs a look, never a timer. A heap was rejected: every reply would sift. */
#include "base/timer.h"

#include "base/check.h"

#include <string.h>

static uint64_t tick_of(uint64_t ms)
{
	return ms / TIMER_TICK_MS + (ms % TIMER_TICK_MS != 0);
}

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
	wheel->now_tick = now_ms / TIMER_TICK_MS;
	wheel->count = 0;
	memset(wheel->busy, 0, sizeof(wheel->busy));
	for (int level = 0; level < WHEEL_LEVELS; level++)
		for (int slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&wheel->slots[level][slot]);
}

void timer_init(struct timer *timer, void (*fire)(struct timer *timer, uint64_t now_ms))
{
	list_init(&timer->link);
	timer->deadline_ms = timer->slot_ms = 0;
	timer->fire = fire;
}

static void wheel_unlink(struct wheel *wheel, struct timer *timer)
{
	if (timer->slot_ms == 0)
		return;
	list_remove(&timer->link);
	timer->slot_ms = 0;
	wheel->count--;
}

static void wheel_link(struct wheel *wheel, struct timer *timer)
{
	uint64_t tick = tick_of(timer->deadline_ms), span = 1;
	int level = 0;

	if (tick <= wheel->now_tick)
		tick = wheel->now_tick + 1;
	while (level < WHEEL_LEVELS - 1 && (tick - wheel->now_tick) / span >= WHEEL_SLOTS) {
		span *= WHEEL_SLOTS;
		level++;
	}
	uint64_t slot = tick / span;

	if (slot - wheel->now_tick / span >= WHEEL_SLOTS) /* beyond the last level: look again when it is full */
		slot = wheel->now_tick / span + WHEEL_SLOTS - 1;
	if (level == 0)
		wheel->busy[slot % WHEEL_SLOTS / 64] |= 1ull << slot % 64;
	list_push(&wheel->slots[level][slot % WHEEL_SLOTS], &timer->link);
	timer->slot_ms = slot * span * TIMER_TICK_MS;
	wheel->count++;
}

void timer_set(struct wheel *wheel, struct timer *timer, uint64_t deadline_ms)
{
	CHECK(timer->fire != NULL);
	CHECK(deadline_ms != 0);
	timer->deadline_ms = deadline_ms;
	if (timer->slot_ms != 0 && timer->slot_ms <= deadline_ms)
		return;
	wheel_unlink(wheel, timer);
	wheel_link(wheel, timer);
}

void timer_stop(struct wheel *wheel, struct timer *timer)
{
	timer->deadline_ms = 0;
	wheel_unlink(wheel, timer);
}

/* The timers of one slot: those due by due_ms fire, the others move on. */
static void slot_turn(struct wheel *wheel, struct list *slot, uint64_t due_ms, uint64_t now_ms)
{
	struct list due;

	list_init(&due);
	while (!list_is_empty(slot)) {
		struct timer *timer = LIST_OWNER(list_first(slot), struct timer, link);

		wheel_unlink(wheel, timer);
		if (timer->deadline_ms > due_ms)
			wheel_link(wheel, timer);
		else {
			list_push(&due, &timer->link);
			timer->slot_ms = 1; /* linked, so that timer_stop by another's fire takes it off */
			wheel->count++;
		}
	}
	while (!list_is_empty(&due)) {
		struct timer *timer = LIST_OWNER(list_first(&due), struct timer, link);

		wheel_unlink(wheel, timer);
		if (timer->deadline_ms > due_ms) { /* another's fire moved it */
			wheel_link(wheel, timer);
			continue;
		}
		timer->deadline_ms = 0;
		timer->fire(timer, now_ms);
	}
}

/* The next tick with something to do: a slot of the finest level, or the round's end, where timers come down. */
static uint64_t next_tick(const struct wheel *wheel)
{
	uint64_t tick = wheel->now_tick + 1;
	uint64_t end = (tick + WHEEL_SLOTS - 1) / WHEEL_SLOTS * WHEEL_SLOTS;

	while (tick < end) {
		uint64_t bits = wheel->busy[tick % WHEEL_SLOTS / 64] >> tick % 64;

		if (bits == 0) {
			tick = (tick | 63) + 1;
			continue;
		}
		tick += (uint64_t)__builtin_ctzll(bits);
		if (!list_is_empty(&wheel->slots[0][tick % WHEEL_SLOTS]))
			return tick;
		tick++;
	}
	return end;
}

static void tick_turn(struct wheel *wheel, uint64_t tick, uint64_t now_ms)
{
	uint64_t span = 1;
	int level = 0;

	wheel->now_tick = tick;
	while (level < WHEEL_LEVELS - 1 && tick % (span * WHEEL_SLOTS) == 0) {
		span *= WHEEL_SLOTS;
		level++;
	}
	for (; level >= 0; level--, span /= WHEEL_SLOTS) {
		if (level == 0)
			wheel->busy[tick % WHEEL_SLOTS / 64] &= ~(1ull << tick % 64);
		slot_turn(wheel, &wheel->slots[level][tick / span % WHEEL_SLOTS], tick * TIMER_TICK_MS, now_ms);
	}
}

void wheel_turn(struct wheel *wheel, uint64_t now_ms)
{
	uint64_t until = now_ms / TIMER_TICK_MS;

	while (wheel->now_tick < until) {
		uint64_t tick = wheel->count > 0 ? next_tick(wheel) : until + 1;

		if (tick > until)
			wheel->now_tick = until;
		else
			tick_turn(wheel, tick, now_ms);
	}
}

uint64_t wheel_wait_ms(const struct wheel *wheel, uint64_t now_ms, uint64_t cap_ms)
{
	if (wheel->count == 0)
		return cap_ms;
	uint64_t at_ms = next_tick(wheel) * TIMER_TICK_MS;
	uint64_t wait_ms = at_ms > now_ms ? at_ms - now_ms : 0;

	return wait_ms < cap_ms ? wait_ms : cap_ms;
}
