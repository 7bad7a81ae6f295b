/* A budget shared by threads: never more than is allowed, nothing lost, exact times. */
#include "scheduler/budget.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { THREADS = 2, ROUNDS = 200000, HOLDERS_MAX = 3 };

static void no_limit_takes_all(void **state)
{
	struct budget budget;

	(void)state;
	budget_init(&budget, 0, 0, 0, 0);
	assert_int_equal(budget_take(&budget, 1000000, 5), 1000000);
	assert_int_equal(budget_next_ms(&budget, 5), 0);
	for (int i = 0; i < 1000; i++)
		assert_true(budget_connect(&budget));
}

static void a_burst_and_then_the_rate(void **state)
{
	struct budget budget;

	(void)state;
	budget_init(&budget, 100, 60000, 5, 0); /* 100 a minute: one every 600 ms */
	assert_int_equal(budget_take(&budget, 100, 10000), 5);
	assert_int_equal(budget_take(&budget, 1, 10000), 0);
	assert_int_equal(budget_next_ms(&budget, 10000), 10600);
	assert_int_equal(budget_take(&budget, 1, 10599), 0);
	assert_int_equal(budget_take(&budget, 1, 10600), 1);
	assert_int_equal(budget_next_ms(&budget, 10600), 11200);
}

static void an_hour_brings_the_rate_and_no_more(void **state)
{
	struct budget budget;
	unsigned sent = 0;

	(void)state;
	budget_init(&budget, 7, 1000, 2, 0);
	for (uint64_t now_ms = 1000; now_ms < 3601000; now_ms += 3)
		sent += budget_take(&budget, 10, now_ms);
	assert_in_range(sent, 25198, 25202);
}

static void a_day_for_one_and_a_million_a_second(void **state)
{
	struct budget slow, fast;

	(void)state;
	budget_init(&slow, 1, 86400000, 0, 0);
	assert_int_equal(budget_take(&slow, 9, 5000), 1);
	assert_int_equal(budget_next_ms(&slow, 5000), 86405000);
	budget_init(&fast, 4000000, 1000, 1, 0);
	assert_int_equal(budget_take(&fast, 9, 1), 1);
	assert_in_range(budget_next_ms(&fast, 1), 2, 2);
}

static void what_is_given_back_may_go_again(void **state)
{
	struct budget budget;

	(void)state;
	budget_init(&budget, 1, 1000, 1, 0);
	assert_int_equal(budget_take(&budget, 1, 1000), 1);
	budget_give(&budget, 1);
	assert_int_equal(budget_take(&budget, 2, 1000), 1);
}

static void new_limits_keep_what_was_taken(void **state)
{
	struct budget budget;

	(void)state;
	budget_init(&budget, 10, 1000, 10, 2);
	assert_int_equal(budget_take(&budget, 10, 1000), 10);
	assert_true(budget_connect(&budget));
	assert_true(budget_connect(&budget));
	budget_limit(&budget, 20, 1000, 10, 3);
	assert_int_equal(budget_take(&budget, 10, 1000), 0);
	assert_true(budget_connect(&budget));
	assert_false(budget_connect(&budget));
	budget_limit(&budget, 20, 1000, 10, 1);
	budget_disconnect(&budget);
	budget_disconnect(&budget);
	assert_false(budget_connect(&budget));
	budget_disconnect(&budget);
	assert_true(budget_connect(&budget));
}

static struct budget shared;
static _Atomic uint64_t taken;
static _Atomic int holders, most_holders;

static void *hammer(void *argument)
{
	uint64_t now_ms = 1000;

	(void)argument;
	for (int i = 0; i < ROUNDS; i++) {
		unsigned got = budget_take(&shared, 1 + (unsigned)i % 3, now_ms);

		if (got > 1 && i % 7 == 0) {
			budget_give(&shared, 1);
			got--;
		}
		taken += got;
		now_ms += i % 10 == 0;
	}
	return NULL;
}

static void *crowd(void *argument)
{
	(void)argument;
	for (int i = 0; i < ROUNDS; i++) {
		int have, most = most_holders;

		if (!budget_connect(&shared))
			continue;
		have = ++holders;
		while (have > most && !atomic_compare_exchange_weak(&most_holders, &most, have))
			;
		holders--;
		budget_disconnect(&shared);
	}
	return NULL;
}

static void run_threads(void *(*work)(void *), int n)
{
	pthread_t threads[8];

	for (int i = 0; i < n; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, NULL), 0);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

/* 100 a second over the 20 s that the threads' clocks run, and the burst: neither more nor, since they ask all the
 * time, less. */
static void threads_take_what_is_allowed_and_no_more(void **state)
{
	(void)state;
	budget_init(&shared, 100, 1000, 50, 0);
	taken = 0;
	run_threads(hammer, THREADS);
	assert_in_range(taken, 2000, 2051);
}

static void threads_hold_what_is_allowed_and_no_more(void **state)
{
	(void)state;
	budget_init(&shared, 0, 0, 0, HOLDERS_MAX);
	holders = most_holders = 0;
	run_threads(crowd, HOLDERS_MAX + 2);
	assert_in_range(most_holders, 1, HOLDERS_MAX);
	assert_int_equal(shared.connections, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_limit_takes_all),
		cmocka_unit_test(a_burst_and_then_the_rate),
		cmocka_unit_test(an_hour_brings_the_rate_and_no_more),
		cmocka_unit_test(a_day_for_one_and_a_million_a_second),
		cmocka_unit_test(what_is_given_back_may_go_again),
		cmocka_unit_test(new_limits_keep_what_was_taken),
		cmocka_unit_test(threads_take_what_is_allowed_and_no_more),
		cmocka_unit_test(threads_hold_what_is_allowed_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
