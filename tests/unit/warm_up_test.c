/* A warm-up: never more than the day's number, spread over the day, nothing before the first day, no end of it after
 * the last, and the count outlives the process. */
#include "scheduler/warm_up.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DAY_MS	86400000ull
#define HOUR_MS 3600000ull

enum { START = 20788 }; /* 2026-12-01 */

static const unsigned daily[] = {48, 96, 240};

/* A process whose clock began an hour and a half into the day before the first. */
static const uint64_t began_ms = (START - 1) * DAY_MS + HOUR_MS + HOUR_MS / 2;

static uint64_t at(unsigned day, uint64_t ms)
{
	return (START + day) * DAY_MS + ms - began_ms;
}

static struct warm_up planned(void)
{
	struct warm_up warm_up = {0};

	warm_up_plan(&warm_up, START, daily, 3);
	warm_up_clock(&warm_up, (int64_t)began_ms);
	return warm_up;
}

static void nothing_before_the_first_day(void **state)
{
	struct warm_up warm_up = planned();

	(void)state;
	assert_true(warm_up_is_on(&warm_up, 0));
	assert_int_equal(warm_up_take(&warm_up, 10, 0), 0);
	assert_int_equal(warm_up_next_ms(&warm_up, 0), at(0, 0));
	assert_int_equal(warm_up_take(&warm_up, 10, at(0, 0)), 2); /* an hour's part of 48 */
}

static void spread_over_the_day(void **state)
{
	struct warm_up warm_up = planned();
	unsigned sent = 0, by_noon = 0;

	(void)state;
	for (uint64_t ms = 0; ms < DAY_MS; ms += 60000) {
		sent += warm_up_take(&warm_up, 5, at(0, ms));
		if (ms == DAY_MS / 2)
			by_noon = sent;
		assert_true(sent <= 48 * (ms + HOUR_MS) / DAY_MS + 1);
	}
	assert_in_range(by_noon, 24, 27);
	assert_int_equal(sent, 48);
	assert_int_equal(warm_up_take(&warm_up, 5, at(1, 0)), 4); /* the next day has twice as many */
}

static void a_mailing_at_noon_finds_half_the_day(void **state)
{
	struct warm_up warm_up = planned();

	(void)state;
	assert_int_equal(warm_up_left(&warm_up, at(0, 12 * HOUR_MS)), 26);
	assert_int_equal(warm_up_take(&warm_up, 1000, at(0, 12 * HOUR_MS)), 26);
	assert_int_equal(warm_up_left(&warm_up, at(0, 12 * HOUR_MS)), 0);
	assert_int_equal(warm_up_take(&warm_up, 1000, at(0, 12 * HOUR_MS)), 0);
	uint64_t next_ms = warm_up_next_ms(&warm_up, at(0, 12 * HOUR_MS));

	assert_int_equal(warm_up_take(&warm_up, 1, next_ms - 1), 0);
	assert_int_equal(warm_up_take(&warm_up, 1000, next_ms), 1);
	assert_in_range(next_ms, at(0, 12 * HOUR_MS), at(0, 12 * HOUR_MS + HOUR_MS / 2 + 1));
}

static void full_means_midnight(void **state)
{
	struct warm_up warm_up = planned();

	(void)state;
	assert_int_equal(warm_up_take(&warm_up, 1000, at(0, 23 * HOUR_MS + HOUR_MS / 2)), 48);
	assert_int_equal(warm_up_next_ms(&warm_up, at(0, 23 * HOUR_MS + HOUR_MS / 2)), at(1, 0));
	warm_up_give(&warm_up, 3);
	assert_int_equal(warm_up_next_ms(&warm_up, at(0, 23 * HOUR_MS + HOUR_MS / 2)), 0);
	assert_int_equal(warm_up_take(&warm_up, 1000, at(0, 23 * HOUR_MS + HOUR_MS / 2)), 3);
}

static void no_limit_after_the_last_day(void **state)
{
	struct warm_up warm_up = planned();

	(void)state;
	assert_true(warm_up_is_on(&warm_up, at(2, 0)));
	assert_false(warm_up_is_on(&warm_up, at(3, 0)));
	assert_int_equal(warm_up_take(&warm_up, 100000, at(3, 0)), 100000);
	assert_int_equal(warm_up_next_ms(&warm_up, at(3, 0)), 0);
}

static void todays_count_outlives_the_process(void **state)
{
	struct warm_up warm_up = planned(), next = planned();
	unsigned used;

	(void)state;
	assert_int_equal(warm_up_take(&warm_up, 20, at(0, 12 * HOUR_MS)), 20);
	int64_t day = warm_up_used(&warm_up, &used);

	assert_int_equal(day, START);
	assert_int_equal(used, 20);
	warm_up_restore(&next, day, used);
	warm_up_restore(&next, day - 1, 48); /* an older day says nothing */
	warm_up_restore(&next, day, 3);	     /* nor does an older count */
	assert_int_equal(warm_up_take(&next, 1000, at(0, 12 * HOUR_MS)), 6);
	assert_int_equal(warm_up_take(&next, 1000, at(1, 0)), 4);
}

static void another_plan_keeps_the_count(void **state)
{
	static const unsigned more[] = {480};
	struct warm_up warm_up = planned();

	(void)state;
	assert_int_equal(warm_up_take(&warm_up, 20, at(0, 12 * HOUR_MS)), 20);
	warm_up_plan(&warm_up, START, more, 1);
	assert_int_equal(warm_up_take(&warm_up, 1000, at(0, 12 * HOUR_MS)), 240);
	warm_up_plan(&warm_up, START, NULL, 0);
	assert_int_equal(warm_up_take(&warm_up, 1000, at(0, 12 * HOUR_MS)), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_before_the_first_day),
		cmocka_unit_test(spread_over_the_day),
		cmocka_unit_test(a_mailing_at_noon_finds_half_the_day),
		cmocka_unit_test(full_means_midnight),
		cmocka_unit_test(no_limit_after_the_last_day),
		cmocka_unit_test(todays_count_outlives_the_process),
		cmocka_unit_test(another_plan_keeps_the_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
