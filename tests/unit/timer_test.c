/* The wheel, with time as an argument: never early, at most a tick late, whatever was set, moved and stopped. */
#include "base/timer.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { DAY_MS = 86400000 };

struct alarm {
	struct timer timer;
	uint64_t due_ms, rung_ms;
	unsigned rings;
	struct alarm *other; /* to be stopped, moved or freed when this one rings */
	uint64_t again_ms;   /* to be set again, so much later; 0: not */
};

static struct wheel wheel;
static unsigned rung;

static void on_ring(struct timer *timer, uint64_t now_ms)
{
	struct alarm *alarm = LIST_OWNER(timer, struct alarm, timer);

	assert_false(timer_is_set(timer));
	alarm->rung_ms = now_ms;
	alarm->rings++;
	rung++;
}

static void alarm_set(struct alarm *alarm, uint64_t due_ms)
{
	if (!alarm->timer.fire)
		alarm->timer.fire = on_ring;
	alarm->due_ms = due_ms;
	timer_set(&wheel, &alarm->timer, due_ms);
}

static void start_at(uint64_t now_ms)
{
	wheel_init(&wheel, now_ms);
	rung = 0;
}

static void test_one_timer_to_the_tick(void **state)
{
	(void)state;
	for (uint64_t start = 5000; start < 5010; start++) {
		for (uint64_t delay = 0; delay < 5000; delay += delay < 20 ? 1 : 97) {
			struct alarm alarm = {0};

			start_at(start);
			alarm_set(&alarm, start + delay);
			for (uint64_t now = start; alarm.rings == 0; now++) {
				wheel_turn(&wheel, now);
				assert_true(alarm.rings == 0 || now >= start + delay);
				assert_true(now <= start + delay + TIMER_TICK_MS);
			}
			assert_int_equal(wheel.count, 0);
		}
	}
}

static void test_moving_later_is_a_store(void **state)
{
	struct alarm alarm = {0};
	uint64_t now = 1000;

	(void)state;
	start_at(now);
	alarm_set(&alarm, now + 300);
	for (; now < 100000; now += 100) {
		uint64_t slot_ms = alarm.timer.slot_ms;

		alarm_set(&alarm, now + 300);
		assert_int_equal(alarm.timer.slot_ms, slot_ms); /* still where it was */
		wheel_turn(&wheel, now);
		assert_int_equal(alarm.rings, 0);
	}
	wheel_turn(&wheel, now + 300);
	assert_int_equal(alarm.rings, 1);
}

static void test_moving_earlier(void **state)
{
	struct alarm alarm = {0};

	(void)state;
	start_at(1000);
	alarm_set(&alarm, 1000 + DAY_MS);
	alarm_set(&alarm, 1000 + 5000);
	alarm_set(&alarm, 1000 + 9);
	wheel_turn(&wheel, 1008);
	assert_int_equal(alarm.rings, 0);
	wheel_turn(&wheel, 1015);
	assert_int_equal(alarm.rings, 1);
	assert_int_equal(alarm.rung_ms, 1015); /* the time of the turn, not of the tick */
}

static void test_stop(void **state)
{
	struct alarm alarm = {0}, never = {0};

	(void)state;
	start_at(1000);
	timer_stop(&wheel, &never.timer); /* never set */
	timer_init(&never.timer, on_ring);
	timer_stop(&wheel, &never.timer);
	alarm_set(&alarm, 1100);
	assert_true(timer_is_set(&alarm.timer));
	timer_stop(&wheel, &alarm.timer);
	timer_stop(&wheel, &alarm.timer);
	assert_false(timer_is_set(&alarm.timer));
	assert_int_equal(wheel.count, 0);
	wheel_turn(&wheel, 5000);
	assert_int_equal(rung, 0);
	alarm_set(&alarm, 4000); /* in the past: with the next tick */
	wheel_turn(&wheel, 5000);
	assert_int_equal(rung, 0);
	wheel_turn(&wheel, 5004);
	assert_int_equal(rung, 1);
}

static void on_ring_stop_other(struct timer *timer, uint64_t now_ms)
{
	struct alarm *alarm = LIST_OWNER(timer, struct alarm, timer);

	on_ring(timer, now_ms);
	timer_stop(&wheel, &alarm->other->timer);
	memset(&alarm->other->timer.link, 0, sizeof(alarm->other->timer.link)); /* as if it were freed */
}

/* Two of the same slot, each of which stops the other: exactly one rings. */
static void test_stop_inside_fire(void **state)
{
	struct alarm one = {.timer.fire = on_ring_stop_other}, two = one, bystander = {0};

	(void)state;
	start_at(1000);
	one.other = &two;
	two.other = &one;
	alarm_set(&one, 1050);
	alarm_set(&two, 1050);
	alarm_set(&bystander, 1050);
	wheel_turn(&wheel, 1100);
	assert_int_equal(one.rings + two.rings, 1);
	assert_int_equal(bystander.rings, 1);
	assert_int_equal(wheel.count, 0);
}

static void on_ring_again(struct timer *timer, uint64_t now_ms)
{
	struct alarm *alarm = LIST_OWNER(timer, struct alarm, timer);

	on_ring(timer, now_ms);
	alarm_set(alarm, now_ms + alarm->again_ms);
	if (alarm->other)
		alarm_set(alarm->other, now_ms + 1000);
}

static void test_set_inside_fire(void **state)
{
	struct alarm alarm = {.timer.fire = on_ring_again, .again_ms = 10}, other = {0};
	uint64_t now = 1000;

	(void)state;
	start_at(now);
	alarm.other = &other;
	alarm_set(&alarm, 1010);
	alarm_set(&other, 1010); /* due with it, but moved before its turn comes */
	for (; now < 2000; now++)
		wheel_turn(&wheel, now);
	assert_int_equal(other.rings, 0);
	assert_in_range(alarm.rings, 1000 / 14, 1000 / 10);
	timer_stop(&wheel, &alarm.timer);
	for (; now < 3100; now++)
		wheel_turn(&wheel, now);
	assert_int_equal(other.rings, 1);
}

/* "Now" again and again must not keep a turn from ending. */
static void test_set_now_inside_fire(void **state)
{
	struct alarm alarm = {.timer.fire = on_ring_again};

	(void)state;
	start_at(1000);
	alarm_set(&alarm, 1000);
	wheel_turn(&wheel, 1004);
	assert_int_equal(alarm.rings, 1);
	wheel_turn(&wheel, 1000 + 4 * 100);
	assert_in_range(alarm.rings, 2, 100);
}

static void test_far_deadlines(void **state)
{
	static const uint64_t delays[] = {4092,	      4096,	      4100,	      70ull * 60000,  DAY_MS,
					  5 * DAY_MS, 49ull * DAY_MS, 50ull * DAY_MS, 400ull * DAY_MS};

	(void)state;
	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		struct alarm alarm = {0};
		uint64_t now = 123457;
		unsigned turns = 0;

		start_at(now);
		alarm_set(&alarm, now + delays[i]);
		while (alarm.rings == 0) {
			now += wheel_wait_ms(&wheel, now, DAY_MS);
			wheel_turn(&wheel, now);
			assert_true(++turns < 10000000);
		}
		assert_true(now >= alarm.due_ms);
		assert_true(now <= alarm.due_ms + TIMER_TICK_MS);
	}
	struct alarm never = {0};

	start_at(1000);
	alarm_set(&never, UINT64_MAX);
	wheel_turn(&wheel, 100ull * DAY_MS);
	assert_int_equal(never.rings, 0);
}

static void test_a_long_sleep(void **state)
{
	struct alarm alarms[100] = {0};

	(void)state;
	start_at(1000);
	for (unsigned i = 0; i < 100; i++)
		alarm_set(&alarms[i], 1000 + i * 60000);
	wheel_turn(&wheel, 1000 + 50 * 60000); /* the process was stopped */
	assert_int_equal(rung, 51);
	wheel_turn(&wheel, 1000 + 300 * 60000);
	assert_int_equal(rung, 100);
	assert_int_equal(wheel.count, 0);
}

static void test_wait(void **state)
{
	struct alarm alarm = {0};

	(void)state;
	start_at(1000);
	assert_int_equal(wheel_wait_ms(&wheel, 1000, 777), 777);
	alarm_set(&alarm, 1050);
	assert_int_equal(wheel_wait_ms(&wheel, 1000, 777), 52);
	assert_int_equal(wheel_wait_ms(&wheel, 1000, 20), 20);
	assert_int_equal(wheel_wait_ms(&wheel, 1030, 777), 22);
	assert_int_equal(wheel_wait_ms(&wheel, 2000, 777), 0);
	assert_int_equal(wheel_wait_ms(&wheel, 1000, 0), 0);
	timer_stop(&wheel, &alarm.timer);
	assert_int_equal(wheel_wait_ms(&wheel, 1000, 777), 777);
	alarm_set(&alarm, 1000 + DAY_MS);
	assert_int_equal(wheel_wait_ms(&wheel, 1000, 777), 777);
}

/* A hundred thousand timers, set, moved and stopped by dice, against the plainest of models: their due times. */
enum { ALARMS = 100000 };

static int by_due(const void *a, const void *b)
{
	const struct alarm *x = *(struct alarm *const *)a, *y = *(struct alarm *const *)b;

	return (x->due_ms > y->due_ms) - (x->due_ms < y->due_ms);
}

static uint64_t some_delay(struct random *random)
{
	static const uint64_t reach[] = {10, 1000, 5000, 300000, 600000, DAY_MS};

	return random_below(random, reach[random_below(random, sizeof(reach) / sizeof(reach[0]))]);
}

static void test_many_against_a_model(void **state)
{
	struct alarm *alarms = calloc(ALARMS, sizeof(*alarms)), **sorted = calloc(ALARMS, sizeof(struct alarm *));
	struct random random = random_seeded(42);
	uint64_t now = 987654321;
	unsigned count = 0;

	(void)state;
	start_at(now);
	for (unsigned i = 0; i < ALARMS; i++) {
		unsigned moves = (unsigned)random_below(&random, 4);

		alarm_set(&alarms[i], now + some_delay(&random));
		while (moves-- > 0)
			alarm_set(&alarms[i], now + some_delay(&random));
		if (random_below(&random, 5) == 0)
			timer_stop(&wheel, &alarms[i].timer);
		else
			sorted[count++] = &alarms[i];
	}
	qsort(sorted, count, sizeof(*sorted), by_due);
	assert_int_equal(wheel.count, count);
	for (unsigned next = 0; next < count;) {
		uint64_t wait = wheel_wait_ms(&wheel, now, 60000);

		assert_true(now + wait <= sorted[next]->due_ms + TIMER_TICK_MS); /* never sleeps past it */
		now += wait;
		wheel_turn(&wheel, now);
		while (next < count && sorted[next]->rings == 1) {
			assert_true(sorted[next]->rung_ms >= sorted[next]->due_ms);
			assert_true(sorted[next]->rung_ms <= sorted[next]->due_ms + TIMER_TICK_MS);
			next++;
		}
		assert_true(next == count || sorted[next]->due_ms + TIMER_TICK_MS > now);
	}
	assert_int_equal(rung, count);
	assert_int_equal(wheel.count, 0);
	free(alarms);
	free(sorted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_timer_to_the_tick), cmocka_unit_test(test_moving_later_is_a_store),
		cmocka_unit_test(test_moving_earlier),	      cmocka_unit_test(test_stop),
		cmocka_unit_test(test_stop_inside_fire),      cmocka_unit_test(test_set_inside_fire),
		cmocka_unit_test(test_set_now_inside_fire),   cmocka_unit_test(test_far_deadlines),
		cmocka_unit_test(test_a_long_sleep),	      cmocka_unit_test(test_wait),
		cmocka_unit_test(test_many_against_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
