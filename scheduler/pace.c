/* The generic cell rate algorithm: each token costs period/count; full_us may run at most burst tokens ahead. */
#include "scheduler/pace.h"

static uint64_t cost_us(const struct pace *pace, uint64_t n)
{
	return (uint64_t)((__uint128_t)n * pace->period_us / pace->count);
}

void pace_init(struct pace *pace, uint64_t count, uint64_t period_ms, uint64_t burst)
{
	*pace = (struct pace){.count = count, .period_us = period_ms * 1000, .burst = burst};
	if (count && !burst) {
		pace->burst = period_ms ? count * 1000 / period_ms : 1;
		if (pace->burst == 0)
			pace->burst = 1;
	}
}

/* The earliest time at which the next one may go. */
static uint64_t free_us(const struct pace *pace)
{
	uint64_t ahead_us = cost_us(pace, pace->burst - 1);

	return pace->full_us > ahead_us ? pace->full_us - ahead_us : 0;
}

unsigned pace_take(struct pace *pace, unsigned n, uint64_t now_ms)
{
	uint64_t now_us = now_ms * 1000;
	unsigned taken = 0;

	if (pace->count == 0)
		return n;
	while (taken < n && free_us(pace) <= now_us) {
		pace->full_us = (pace->full_us > now_us ? pace->full_us : now_us) + cost_us(pace, 1);
		taken++;
	}
	return taken;
}

void pace_give(struct pace *pace, unsigned n)
{
	uint64_t back_us = pace->count ? cost_us(pace, n) : 0;

	pace->full_us = pace->full_us > back_us ? pace->full_us - back_us : 0;
}

uint64_t pace_next_ms(const struct pace *pace, uint64_t now_ms)
{
	if (pace->count == 0 || free_us(pace) <= now_ms * 1000)
		return 0;
	return (free_us(pace) + 999) / 1000;
}
