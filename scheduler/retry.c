/* A list of steps and some chance. The steps are the configuration's; a reason makes them shorter or longer. */
#include "scheduler/retry.h"

#include "base/check.h"

enum {
	GREYLISTED_MS = 5 * 60 * 1000, /* doubling: most lists let one in after that (RFC 6647) */
	GREYLISTED_TRIES = 3,
	FULL_TIMES = 3,		  /* longer: people empty a mailbox in hours, not in minutes */
	URGENT_PARTS = 4,	  /* shorter */
	URGENT_MS_MIN = 60 * 1000 /* but not below, unless the step is */
};

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t for_reason(uint64_t step_ms, const struct retry_reason *reason, unsigned attempt)
{
	if (reason->category == CATEGORY_GREYLISTED && attempt <= GREYLISTED_TRIES)
		return least(step_ms, (uint64_t)GREYLISTED_MS << (attempt - 1));
	if (reason->category == CATEGORY_MAILBOX_FULL)
		return step_ms * FULL_TIMES;
	if (reason->urgent && step_ms / URGENT_PARTS < URGENT_MS_MIN)
		return least(step_ms, URGENT_MS_MIN);
	return reason->urgent ? step_ms / URGENT_PARTS : step_ms;
}

uint64_t retry_delay_ms(const struct retry *retry, const struct retry_reason *reason, unsigned attempt,
			uint64_t hint_ms, struct random *random)
{
	CHECK(retry->nsteps > 0 && attempt > 0);
	unsigned step = attempt <= retry->nsteps ? attempt - 1 : retry->nsteps - 1;
	uint64_t delay_ms = for_reason(retry->step_ms[step], reason, attempt);
	uint64_t swing_ms = delay_ms * retry->jitter_percent / 100;

	if (swing_ms)
		delay_ms += random_below(random, 2 * swing_ms + 1) - swing_ms;
	return delay_ms > hint_ms ? delay_ms : hint_ms;
}
