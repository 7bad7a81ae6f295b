/* A list of steps and some chance. */
#include "scheduler/retry.h"

#include "base/check.h"

uint64_t retry_delay_ms(const struct retry *retry, unsigned attempt, uint64_t hint_ms, struct random *random)
{
	CHECK(retry->nsteps > 0 && attempt > 0);
	unsigned step = attempt <= retry->nsteps ? attempt - 1 : retry->nsteps - 1;
	uint64_t delay_ms = retry->step_ms[step], swing_ms = delay_ms * retry->jitter_percent / 100;

	if (swing_ms)
		delay_ms += random_below(random, 2 * swing_ms + 1) - swing_ms;
	return delay_ms > hint_ms ? delay_ms : hint_ms;
}
