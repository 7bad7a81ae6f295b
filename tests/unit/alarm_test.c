/* Alarms and polls: when they are raised, when they are not, when they are calm again. By chance with a seed where it
 * matters that it is chance. */
#include "base/random.h"
#include "scheduler/alarm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct alarm_terms terms = {
	.usual = 0.1, .usual_max = 0.4, .far = 0.75, .raise = 25, .calm = 5, .forget_ms = 600000};

static bool chance(struct random *random, unsigned percent)
{
	return random_below(random, 100) < percent;
}

/* How many meetings until it is raised; 0: not within n. */
static unsigned raised_after(struct alarm *alarm, struct random *random, unsigned percent, unsigned n)
{
	for (unsigned i = 1; i <= n; i++)
		if (alarm_meet(alarm, &terms, chance(random, percent), i) == ALARM_RAISED)
			return i;
	return 0;
}

static void test_everybody_is_unknown(void **state)
{
	struct random random = random_seeded(1);
	struct alarm fresh = {0}, used = {0};

	(void)state;
	assert_int_equal(raised_after(&fresh, &random, 100, 100), 14);
	assert_int_equal(fresh.met, 14);
	assert_int_equal(fresh.seen, 14);
	assert_int_equal(raised_after(&used, &random, 2, 5000), 0);
	assert_in_range(alarm_usual_percent(&used, &terms), 1, 5);
	assert_in_range(raised_after(&used, &random, 100, 100), 5, 10); /* sooner, where it is stranger */
}

/* What is usual raises nothing, however long; a dirty list among few does not either. */
static void test_usual(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 20; seed++) {
		struct alarm alarm = {0};
		struct random random = random_seeded(seed);

		assert_int_equal(raised_after(&alarm, &random, 10, 20000), 0);
		for (unsigned i = 0; i < 10; i++)
			alarm_meet(&alarm, &terms, true, i);
		assert_false(alarm.raised);
	}
}

/* Suspicion goes with the first good one, or soon after. */
static void test_suspicion(void **state)
{
	struct alarm alarm = {0};

	(void)state;
	assert_false(alarm_is_suspicious(&alarm));
	alarm_meet(&alarm, &terms, true, 1);
	assert_true(alarm_is_suspicious(&alarm));
	alarm_meet(&alarm, &terms, false, 2);
	alarm_meet(&alarm, &terms, false, 3);
	assert_false(alarm_is_suspicious(&alarm));
	assert_int_equal(alarm.seen, 0);
	alarm_meet(&alarm, &terms, true, 4);
	alarm_meet(&alarm, &terms, false, 4 + 600001); /* so much later that the first is forgotten */
	assert_false(alarm_is_suspicious(&alarm));
}

static void test_calm(void **state)
{
	struct alarm alarm = {0};
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		alarm_meet(&alarm, &terms, true, i);
	assert_true(alarm.raised);
	for (unsigned i = 0; i < 1000; i++) /* half is as bad as before */
		assert_int_equal(alarm_meet(&alarm, &terms, i % 2, i), ALARM_SAME);
	while (alarm_meet(&alarm, &terms, false, 2000) == ALARM_SAME)
		n++;
	assert_in_range(n, 2, 6);
	assert_false(alarm_is_suspicious(&alarm));
}

static const struct poll_terms poll_terms = {
	.bound = 0.15, .raise = 10, .voices_min = 1, .heard_min = 5, .window_ms = 3600000};

/* A campaign at several sites, each with its percentage. How many until it is raised; 0: not within n. */
static unsigned polled(struct poll *poll, const unsigned *percents, unsigned nsites, unsigned n, uint64_t step_ms)
{
	struct random random = random_seeded(7);
	uint64_t now_ms = 1000;

	for (unsigned i = 1; i <= n; i++, now_ms += step_ms) {
		unsigned site = i % nsites;

		if (poll_meet(poll, &poll_terms, site, chance(&random, percents[site]), now_ms))
			return i;
	}
	return 0;
}

static void test_bad_everywhere(void **state)
{
	struct poll poll = {0};
	unsigned after = polled(&poll, (unsigned[]){60, 50, 70, 40}, 4, 2000, 1);
	struct poll_figures figures = poll_figures(&poll, &poll_terms);

	(void)state;
	assert_in_range(after, 15, 150);
	assert_int_equal(figures.seen, after);
	assert_int_equal(figures.heard, 4);
	assert_true(figures.against >= 3);
	assert_false(poll_meet(&poll, &poll_terms, 1, true, 2000)); /* it is told once */
	poll_calm(&poll);
	assert_false(poll.raised);
}

static void test_just_right(void **state)
{
	struct poll poll = {0};

	(void)state;
	assert_int_equal(polled(&poll, (unsigned[]){10, 12, 8}, 3, 20000, 1), 0);
}

/* Most take it: one of them, however large, does not decide; nor does one of two. */
static void test_one_of_several(void **state)
{
	struct poll poll = {0}, two = {0}, alone = {0};

	(void)state;
	assert_int_equal(polled(&poll, (unsigned[]){100, 2, 2, 2}, 4, 20000, 1), 0);
	assert_int_equal(polled(&two, (unsigned[]){100, 2}, 2, 20000, 1), 0);
	assert_in_range(polled(&alone, (unsigned[]){100}, 1, 20000, 1), 10, 40);
}

/* What lies hours back has faded: a bad one now and then is no storm. */
static void test_window(void **state)
{
	struct poll poll = {0};

	(void)state;
	assert_int_equal(polled(&poll, (unsigned[]){100}, 1, 200, 3600000), 0);
	assert_int_equal(polled(&poll, (unsigned[]){100}, 1, 3, 100ull * 86400000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everybody_is_unknown),
		cmocka_unit_test(test_usual),
		cmocka_unit_test(test_suspicion),
		cmocka_unit_test(test_calm),
		cmocka_unit_test(test_bad_everywhere),
		cmocka_unit_test(test_just_right),
		cmocka_unit_test(test_one_of_several),
		cmocka_unit_test(test_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
