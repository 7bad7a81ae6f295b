/* What a receiver takes, step by step: the first refusal, the tries after it, what is learned from them, and how that
 * is used and outgrown. The whole of it against simulated receivers is in tests/sim/allowance_test.c. */
#include "scheduler/allowance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { T = 1000000 };

static void takes(struct allowance *allowance, unsigned n, uint64_t now_ms)
{
	assert_int_equal(allowance_take(allowance, n, now_ms), n);
	allowance_accepted(allowance, n, now_ms);
}

/* 20 are taken in a second, the next is refused, and so is each try until the window is over. */
static struct allowance learned(uint64_t window_ms)
{
	struct allowance allowance = {0};
	uint64_t now_ms = T;

	for (unsigned i = 0; i < 20; i++)
		takes(&allowance, 1, T + i * 50);
	assert_int_equal(allowance_take(&allowance, 1, T + 1000), 1);
	allowance_refused(&allowance, 1, 0, T + 1000);
	while ((now_ms = allowance_next_ms(&allowance, now_ms)) < T + window_ms) {
		assert_int_equal(allowance_take(&allowance, 5, now_ms), 1); /* one tries, never more */
		assert_int_equal(allowance_take(&allowance, 1, now_ms), 0);
		allowance_refused(&allowance, 1, 0, now_ms);
	}
	assert_int_equal(allowance_take(&allowance, 1, now_ms), 1);
	allowance_accepted(&allowance, 1, now_ms);
	return allowance;
}

static void nothing_is_held_back_before_the_first_refusal(void **state)
{
	struct allowance allowance = {0};

	(void)state;
	takes(&allowance, 1000, T);
	assert_int_equal(allowance_next_ms(&allowance, T), 0);
}

static void the_usual_windows_are_found_exactly(void **state)
{
	static const uint32_t windows_ms[] = {2000, 10000, 60000, 120000, 300000, 3600000};

	(void)state;
	for (unsigned i = 0; i < sizeof(windows_ms) / sizeof(windows_ms[0]); i++) {
		struct allowance allowance = learned(windows_ms[i]);

		assert_int_equal(allowance.count, 20);
		assert_int_equal(allowance.window_ms, windows_ms[i]);
		assert_true(allowance.refused <= 14);
	}
}

static void no_window_ever_has_more_than_it_may(void **state)
{
	struct allowance allowance = learned(60000);
	uint64_t sent_ms[200], now_ms = T + 60000;

	(void)state;
	for (unsigned i = 0; i < 100; i++) { /* before more is tried */
		while (allowance_take(&allowance, 1, now_ms) == 0)
			now_ms = allowance_next_ms(&allowance, now_ms);
		allowance_accepted(&allowance, 1, now_ms);
		sent_ms[i] = now_ms;
		if (i >= 20)
			assert_true(sent_ms[i] - sent_ms[i - 20] > 60000);
	}
	assert_true(sent_ms[99] - sent_ms[0] < 60000 * 100 / 20 * 11 / 10);
}

static void what_was_on_its_way_is_no_end_of_the_window(void **state)
{
	struct allowance allowance = {0};

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(allowance_take(&allowance, 1, T), 1);
	allowance_accepted(&allowance, 1, T + 10);
	allowance_refused(&allowance, 1, 0, T + 20);
	allowance_accepted(&allowance, 1, T + 30);
	assert_true(allowance_is_closed(&allowance));
	uint64_t next_ms = allowance_next_ms(&allowance, T + 30);

	allowance_refused(&allowance, 2, 0, T + 40); /* nor is it a try */
	assert_int_equal(allowance_next_ms(&allowance, T + 40), next_ms);
}

static void the_time_it_names_is_believed(void **state)
{
	struct allowance allowance = {0};

	(void)state;
	takes(&allowance, 3, T);
	allowance_refused(&allowance, 1, 90000, T + 100);
	assert_in_range(allowance_next_ms(&allowance, T + 100), T + 90100, T + 90200);
}

static void a_try_that_is_given_back_is_made_again(void **state)
{
	struct allowance allowance = {0};

	(void)state;
	takes(&allowance, 3, T);
	allowance_refused(&allowance, 1, 5000, T);
	assert_int_equal(allowance_take(&allowance, 1, T + 6000), 1);
	allowance_give(&allowance, 1, T + 6000);
	assert_int_equal(allowance_take(&allowance, 1, T + 7000), 1);
	assert_int_equal(allowance_take(&allowance, 1, T + 8000), 0);
	assert_int_equal(allowance_take(&allowance, 1, T + 3600000), 1); /* nobody answered: it is lost */
}

/* Sends as fast as it may, to one who takes `most` in each window by the clock; how many were refused. */
static unsigned send_for(struct allowance *allowance, unsigned most, uint64_t *now_ms, uint64_t until_ms)
{
	unsigned refused = 0, n = 0;
	uint64_t window = 0;

	while (*now_ms < until_ms) {
		if (allowance_take(allowance, 1, *now_ms) == 0) {
			*now_ms = allowance_next_ms(allowance, *now_ms);
			continue;
		}
		n = window == *now_ms / 60000 ? n + 1 : 1;
		window = *now_ms / 60000;
		refused += n > most;
		if (n > most)
			allowance_refused(allowance, 1, 0, *now_ms);
		else
			allowance_accepted(allowance, 1, *now_ms);
	}
	return refused;
}

static void more_is_tried_and_found(void **state)
{
	struct allowance allowance = {0};
	uint64_t now_ms = T;

	(void)state;
	allowance_recall(&allowance, 20, 60000, 100, T);
	assert_int_equal(send_for(&allowance, 100000, &now_ms, T + 1500000), 0);
	assert_true(allowance.count > 100);
}

static void less_is_noticed_with_few_refusals(void **state)
{
	struct allowance allowance = {0};
	uint64_t now_ms = T;

	(void)state;
	allowance_recall(&allowance, 100, 60000, 100, T);
	unsigned refused = send_for(&allowance, 20, &now_ms, T + 3600000);

	assert_in_range(allowance.count, 10, 30);
	assert_true(refused < 60);
	refused = send_for(&allowance, 20, &now_ms, now_ms + 3600000);
	assert_true(refused < 30);
}

static void little_trust_tries_sooner(void **state)
{
	struct allowance old = {0}, young = {0};
	uint64_t now_ms = T;

	(void)state;
	allowance_recall(&old, 20, 60000, 5, T);
	allowance_recall(&young, 20, 60000, 100, T);
	send_for(&old, 1000, &now_ms, T + 300000);
	now_ms = T;
	send_for(&young, 1000, &now_ms, T + 300000);
	assert_true(old.count > 20);
	assert_int_equal(young.count, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_held_back_before_the_first_refusal),
		cmocka_unit_test(the_usual_windows_are_found_exactly),
		cmocka_unit_test(no_window_ever_has_more_than_it_may),
		cmocka_unit_test(what_was_on_its_way_is_no_end_of_the_window),
		cmocka_unit_test(the_time_it_names_is_believed),
		cmocka_unit_test(a_try_that_is_given_back_is_made_again),
		cmocka_unit_test(more_is_tried_and_found),
		cmocka_unit_test(less_is_noticed_with_few_refusals),
		cmocka_unit_test(little_trust_tries_sooner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
