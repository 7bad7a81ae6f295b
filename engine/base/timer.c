/* Three levels of 1024 slots: 4 ms, 4.1 s and 70 minutes each, 49 days in all. A timer sits in the coarsest
 * level whose slot still comes before its deadline, and moves down as it gets near. */
#include "base/timer.h"

#include "base/check.h"

static uint64_t tick_of(uint64_t ms)
{
	return (ms + TIMER_TICK_MS - 1) / TIMER_TICK_MS;
}

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
	wheel->now_tick = now_ms / TIMER_TICK_MS;
	wheel->count = 0;
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

/* The timers of one slot: due ones fire, the others move on. */
static void slot_turn(struct wheel *wheel, struct list *slot, uint64_t now_ms)
{
	struct list due;

	list_init(&due);
	while (!list_is_empty(slot)) {
		struct timer *timer = LIST_OWNER(list_first(slot), struct timer, link);

		wheel_unlink(wheel, timer);
		if (timer->deadline_ms > now_ms)
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
		if (timer->deadline_ms > now_ms) { /* another's fire moved it */
			wheel_link(wheel, timer);
			continue;
		}
		timer->deadline_ms = 0;
		timer->fire(timer, now_ms);
	}
}

void wheel_turn(struct wheel *wheel, uint64_t now_ms)
{
	uint64_t until = now_ms / TIMER_TICK_MS;

	if (wheel->count == 0 && until > wheel->now_tick)
		wheel->now_tick = until;
	while (wheel->now_tick < until) {
		uint64_t tick = ++wheel->now_tick, span = 1;
		int level = 0;

		while (level < WHEEL_LEVELS - 1 && tick % (span * WHEEL_SLOTS) == 0) {
			span *= WHEEL_SLOTS;
			level++;
		}
		for (; level >= 0; level--, span /= WHEEL_SLOTS)
			slot_turn(wheel, &wheel->slots[level][tick / span % WHEEL_SLOTS], tick * TIMER_TICK_MS);
		if (wheel->count == 0)
			wheel->now_tick = until;
	}
}

uint64_t wheel_wait_ms(const struct wheel *wheel, uint64_t now_ms, uint64_t cap_ms)
{
	uint64_t ticks = cap_ms / TIMER_TICK_MS + 1;

	if (wheel->count == 0)
		return cap_ms;
	for (uint64_t i = 1; i <= ticks && i < WHEEL_SLOTS; i++) {
		uint64_t tick = wheel->now_tick + i;

		if (tick % WHEEL_SLOTS == 0 || !list_is_empty(&wheel->slots[0][tick % WHEEL_SLOTS])) {
			uint64_t at_ms = tick * TIMER_TICK_MS;
			uint64_t wait_ms = at_ms > now_ms ? at_ms - now_ms : 0;

			return wait_ms < cap_ms ? wait_ms : cap_ms;
		}
	}
	return cap_ms;
}
