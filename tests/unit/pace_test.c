/* The token bucket: exact times, no drift, nothing for free. And the retry schedule. */
#include "scheduler/pace.h"
#include "scheduler/retry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void no_limit_takes_all(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, 0, 0, 0);
	assert_int_equal(pace_take(&pace, 1000000, 5), 1000000);
	assert_int_equal(pace_next_ms(&pace, 5), 0);
}

static void a_burst_and_then_the_rate(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, 100, 60000, 5); /* 100 a minute: one every 600 ms */
	assert_int_equal(pace_take(&pace, 100, 10000), 5);
	assert_int_equal(pace_take(&pace, 1, 10000), 0);
	assert_int_equal(pace_next_ms(&pace, 10000), 10600);
	assert_int_equal(pace_take(&pace, 1, 10599), 0);
	assert_int_equal(pace_take(&pace, 1, 10600), 1);
	assert_int_equal(pace_next_ms(&pace, 10600), 11200);
}

static void the_burst_is_a_seconds_worth(void **state)
{
	struct pace fast, slow;

	(void)state;
	pace_init(&fast, 100, 1000, 0);
	assert_int_equal(pace_take(&fast, 1000, 1), 100);
	pace_init(&slow, 20, 300000, 0);
	assert_int_equal(pace_take(&slow, 1000, 1), 1);
}

static void an_hour_brings_exactly_the_rate(void **state)
{
	struct pace pace;
	unsigned sent = 0;

	(void)state;
	pace_init(&pace, 7, 1000, 2);
	for (uint64_t now_ms = 1000; now_ms < 3601000; now_ms += 3)
		sent += pace_take(&pace, 10, now_ms);
	assert_in_range(sent, 25198, 25202);
}

static void what_is_given_back_may_go_again(void **state)
{
	struct pace pace;

	(void)state;
	pace_init(&pace, 1, 1000, 1);
	assert_int_equal(pace_take(&pace, 1, 1000), 1);
	pace_give(&pace, 1);
	assert_int_equal(pace_take(&pace, 1, 1000), 1);
}

static const struct retry_reason plain = {CATEGORY_REMOTE_ERROR, false};

static void steps_then_the_last_one_again(void **state)
{
	struct retry retry = {.nsteps = 3, .step_ms = {100, 200, 400}};
	struct random random = random_seeded(1);

	(void)state;
	assert_int_equal(retry_delay_ms(&retry, &plain, 1, 0, &random), 100);
	assert_int_equal(retry_delay_ms(&retry, &plain, 2, 0, &random), 200);
	assert_int_equal(retry_delay_ms(&retry, &plain, 9, 0, &random), 400);
	assert_int_equal(retry_delay_ms(&retry, &plain, 1, 5000, &random), 5000);
}

static void the_reason_makes_steps_shorter_or_longer(void **state)
{
	struct retry retry = {.nsteps = 2, .step_ms = {1200000, 2400000}}, quick = {.nsteps = 1, .step_ms = {20000}};
	struct retry_reason greylisted = {CATEGORY_GREYLISTED, false}, full = {CATEGORY_MAILBOX_FULL, false};
	struct retry_reason urgent = {CATEGORY_REMOTE_ERROR, true};
	struct random random = random_seeded(1);

	(void)state;
	assert_int_equal(retry_delay_ms(&retry, &greylisted, 1, 0, &random), 300000);
	assert_int_equal(retry_delay_ms(&retry, &greylisted, 2, 0, &random), 600000);
	assert_int_equal(retry_delay_ms(&retry, &greylisted, 4, 0, &random), 2400000);
	assert_int_equal(retry_delay_ms(&retry, &full, 1, 0, &random), 3600000);
	assert_int_equal(retry_delay_ms(&retry, &urgent, 1, 0, &random), 300000);
	assert_int_equal(retry_delay_ms(&quick, &urgent, 1, 0, &random), 20000);
	assert_int_equal(retry_delay_ms(&quick, &greylisted, 1, 0, &random), 20000);
}

static void jitter_spreads_to_both_sides(void **state)
{
	struct retry retry = {.nsteps = 1, .step_ms = {1000}, .jitter_percent = 20};
	struct random random = random_seeded(7);
	uint64_t least = UINT64_MAX, most = 0;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		uint64_t delay_ms = retry_delay_ms(&retry, &plain, 1, 0, &random);

		least = delay_ms < least ? delay_ms : least;
		most = delay_ms > most ? delay_ms : most;
	}
	assert_in_range(least, 800, 810);
	assert_in_range(most, 1190, 1200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_limit_takes_all),
		cmocka_unit_test(a_burst_and_then_the_rate),
		cmocka_unit_test(the_burst_is_a_seconds_worth),
		cmocka_unit_test(an_hour_brings_exactly_the_rate),
		cmocka_unit_test(what_is_given_back_may_go_again),
		cmocka_unit_test(steps_then_the_last_one_again),
		cmocka_unit_test(the_reason_makes_steps_shorter_or_longer),
		cmocka_unit_test(jitter_spreads_to_both_sides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
