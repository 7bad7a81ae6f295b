/* Retry: how long a delivery waits after an attempt that was not final (RFC 5321 4.5.4.1). */
#pragma once

#include "nouns.h"

#include "base/random.h"

#include <stdint.h>

enum { RETRY_MAX = 16 };

struct retry {
	uint64_t step_ms[RETRY_MAX]; /* after the first attempt, the second...; the last one repeats */
	unsigned nsteps;
	unsigned jitter_percent; /* a delay is drawn from step ± this much, so that a wave spreads out */
};

/* Why it waits, and for whom: a greylisting is over soon, a full mailbox is not, and nobody waits for a newsletter as
 * for a password. */
struct retry_reason {
	enum category category;
	bool urgent;
};

/* The delay after attempt number `attempt` (1 is the first). If the receiver named a time, never less than that. */
uint64_t retry_delay_ms(const struct retry *retry, const struct retry_reason *reason, unsigned attempt,
			uint64_t hint_ms, struct random *random);
