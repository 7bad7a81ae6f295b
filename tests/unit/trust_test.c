/* When connections that are not verified any more are worth an alarm. */
#include "trust.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint64_t now_ms = 1000;

/* How often n connections of this kind, a second apart, raise the alarm. */
static unsigned alarms(struct trust *trust, bool verified, unsigned n)
{
	unsigned raised = 0;

	for (unsigned i = 0; i < n; i++) {
		now_ms += 1000;
		raised += trust_note(trust, verified, now_ms);
	}
	return raised;
}

static void a_row_after_many_is_told_once(void **state)
{
	struct trust trust = {0};

	(void)state;
	assert_int_equal(alarms(&trust, true, TRUST_MANY), 0);
	assert_int_equal(alarms(&trust, false, TRUST_MANY - 1), 0);
	assert_int_equal(alarms(&trust, false, 1), 1);
	assert_int_equal(alarms(&trust, false, 10000), 0);
}

static void what_was_verified_before_a_restart_counts(void **state)
{
	struct trust trust = {0};
	unsigned established = 0;

	(void)state;
	for (unsigned i = 0; i < 3 * TRUST_MANY; i++) {
		assert_int_equal(alarms(&trust, true, 1), 0);
		established += trust_is_established(&trust);
	}
	assert_int_equal(established, 1);
	trust = (struct trust){0};
	trust_recall(&trust);
	assert_int_equal(alarms(&trust, false, TRUST_MANY - 1), 0);
	assert_int_equal(alarms(&trust, false, 1), 1);
}

static void what_was_never_verified_is_no_news(void **state)
{
	struct trust trust = {0};

	(void)state;
	assert_int_equal(alarms(&trust, false, 10000), 0);
	assert_int_equal(alarms(&trust, true, TRUST_MANY - 1), 0);
	assert_int_equal(alarms(&trust, false, 10000), 0);
}

static void some_among_many_are_usual(void **state)
{
	struct trust trust = {0};

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(alarms(&trust, true, 1) + alarms(&trust, false, TRUST_MANY - 1), 0);
}

static void it_is_told_again_an_hour_later(void **state)
{
	struct trust trust = {0};

	(void)state;
	assert_int_equal(alarms(&trust, true, TRUST_MANY) + alarms(&trust, false, TRUST_MANY), 1);
	assert_int_equal(alarms(&trust, true, TRUST_MANY) + alarms(&trust, false, TRUST_MANY), 0);
	now_ms += TRUST_HOUR_MS; /* the hour before had many */
	assert_int_equal(alarms(&trust, true, 1) + alarms(&trust, false, TRUST_MANY), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_after_many_is_told_once),
		cmocka_unit_test(what_was_verified_before_a_restart_counts),
		cmocka_unit_test(what_was_never_verified_is_no_news),
		cmocka_unit_test(some_among_many_are_usual),
		cmocka_unit_test(it_is_told_again_an_hour_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
