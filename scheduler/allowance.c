/* A run is what was taken between finding the receiver open and its next refusal. A run that ends within about a window
 * tells both numbers: how many it took, and, once it is open again, how long that was. The times at which one is tried
 * are those that people configure, measured from the beginning of the run, so the time found is mostly the very one;
 * it lies between the last refused try and the first accepted one. A long run tells only that the pace was a little
 * too fast.
 *
 * Rejected: halving and doubling the rate (it keeps being refused, and refusals are counted), and bursts of the whole
 * allowance (over a sliding window they leave no room for the first mistake). */
#include "scheduler/allowance.h"

#include <stddef.h>

enum {
	QUIET_MS = 60000, /* a run that was silent so long before it was ever refused began afterwards */
	GAP_MS_MIN = 500, /* between tries */
	SLACK_MS = 20,	  /* their clock and the way there */
	PATIENCE = 8,
	PATIENCE_MAX = 64,
	RAISE_PERCENT = 5,
	RAISE_PERCENT_MAX = 100,
	BURST_SHARE = 20,	  /* of the allowance, at once */
	LONG_RUN = 2,		  /* windows */
	LOST_MS = 20 * 60 * 1000, /* a try nobody has answered for so long is no longer waited for */
};

/* Windows people configure. The last one repeats. */
static const uint32_t usual_ms[] = {1000,   2000,   5000,   10000,   20000,   30000,   60000,	120000,
				    300000, 600000, 900000, 1800000, 3600000, 7200000, 14400000};
enum { USUAL = sizeof(usual_ms) / sizeof(usual_ms[0]) };

static uint64_t greater(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* A try for a window of that length is made a little after its end. */
static uint64_t with_slack(uint64_t window_ms)
{
	return window_ms + window_ms / 100 + SLACK_MS;
}

/* Evenly, and at most count in any window: with a burst of b, b + rate * window must not be more. */
static void set_pace(struct allowance *allowance)
{
	uint64_t burst = greater(allowance->count / BURST_SHARE, 1), full_us = allowance->pace.full_us;

	pace_init(&allowance->pace, allowance->count - burst + 1,
		  allowance->window_ms + allowance->window_ms / 32 + SLACK_MS, burst);
	allowance->pace.full_us = full_us;
}

static void be_calm(struct allowance *allowance, uint64_t now_ms)
{
	allowance->calm_ms = now_ms;
	allowance->calm_taken = allowance->taken;
}

/* Refused */

static uint64_t spacing_ms(const struct allowance *allowance)
{
	return allowance->window_ms / allowance->count;
}

/* The pace was a little too fast, or the allowance has changed. */
static uint64_t next_try_after_long_run(const struct allowance *allowance, uint64_t now_ms)
{
	uint64_t since_ms = now_ms - allowance->closed_ms, window_ms = allowance->window_ms;
	uint64_t soon_ms = greater(2 * spacing_ms(allowance), GAP_MS_MIN);

	if (since_ms < soon_ms)
		return allowance->closed_ms + soon_ms;
	if (since_ms < window_ms / 4)
		return allowance->closed_ms + window_ms / 4;
	if (since_ms < window_ms)
		return allowance->closed_ms + with_slack(window_ms);
	return now_ms + since_ms; /* doubling */
}

static uint64_t next_try(const struct allowance *allowance, uint64_t now_ms)
{
	uint64_t from_ms = allowance->begin_ms, least_ms;

	if (!allowance->measuring)
		return next_try_after_long_run(allowance, now_ms);
	least_ms = now_ms + greater(GAP_MS_MIN, (now_ms - allowance->closed_ms) / 4);
	for (size_t i = 0; i < USUAL; i++)
		if (from_ms + with_slack(usual_ms[i]) >= least_ms)
			return from_ms + with_slack(usual_ms[i]);
	return now_ms + usual_ms[USUAL - 1];
}

static void close_window(struct allowance *allowance, uint64_t now_ms)
{
	uint64_t run_ms = now_ms - allowance->begin_ms;

	allowance->closed_ms = now_ms;
	allowance->measuring = allowance->count == 0 || run_ms < (uint64_t)LONG_RUN * allowance->window_ms;
	if (allowance->begin_ms == 0)
		allowance->begin_ms = now_ms;
}

void allowance_refused(struct allowance *allowance, unsigned n, uint64_t hint_ms, uint64_t now_ms)
{
	bool first = allowance->closed_ms == 0;

	allowance->refused += n;
	if (first)
		close_window(allowance, now_ms);
	allowance->refused_ms = now_ms;
	if (first || allowance->probing)
		allowance->probe_ms = next_try(allowance, now_ms);
	if (hint_ms)
		allowance->probe_ms = now_ms + hint_ms + SLACK_MS;
	allowance->probing = false;
}

/* Found open again */

/* The window people would configure that is longer than what was refused and no longer than what was accepted. */
static uint32_t usual_between(uint64_t refused_ms, uint64_t accepted_ms)
{
	uint64_t found_ms = accepted_ms;

	for (size_t i = 0; i < USUAL; i++)
		if (usual_ms[i] > refused_ms && usual_ms[i] <= accepted_ms)
			found_ms = usual_ms[i];
	return (uint32_t)(found_ms < UINT32_MAX ? found_ms : UINT32_MAX);
}

static void learn_from_run(struct allowance *allowance, uint64_t now_ms)
{
	uint64_t run_ms = allowance->closed_ms - allowance->begin_ms, taken = allowance->taken;
	uint32_t window_ms = usual_between(allowance->refused_ms - allowance->begin_ms, now_ms - allowance->begin_ms);

	if (taken < allowance->count / 2)
		taken = allowance->count / 2; /* it was not a whole window's worth: believe it by half */
	if (run_ms > window_ms)
		window_ms = (uint32_t)(now_ms - allowance->begin_ms); /* so many in all that time were fine */
	allowance->count = (uint32_t)(taken < 1 ? 1 : taken < UINT32_MAX / 2 ? taken : UINT32_MAX / 2);
	allowance->window_ms = window_ms;
	allowance->patience = PATIENCE;
}

static void fall_back(struct allowance *allowance, uint64_t now_ms)
{
	uint64_t closed_ms = now_ms - allowance->closed_ms;

	if (closed_ms > with_slack(allowance->window_ms)) {
		allowance->window_ms = usual_between(allowance->refused_ms - allowance->closed_ms, closed_ms);
	} else if (allowance->raised_from) {
		allowance->count = allowance->raised_from;
	} else if (allowance->count > 1) {
		allowance->count -= (uint32_t)greater(allowance->count / 20, 1);
	}
	if (allowance->patience < PATIENCE_MAX)
		allowance->patience *= 2;
}

static void open_window(struct allowance *allowance, uint64_t now_ms)
{
	if (allowance->measuring)
		learn_from_run(allowance, now_ms);
	else
		fall_back(allowance, now_ms);
	allowance->closed_ms = allowance->taken = 0;
	allowance->begin_ms = now_ms;
	allowance->probing = false;
	allowance->raised_from = 0;
	allowance->raise_percent = RAISE_PERCENT;
	be_calm(allowance, now_ms);
	allowance->pace.full_us = 0;
	set_pace(allowance);
	pace_take(&allowance->pace, 1, now_ms);
}

/* Taken */

/* The receiver was not refusing for a while, though we used what we may: perhaps it takes more. */
static void try_more(struct allowance *allowance, uint64_t now_ms)
{
	uint64_t windows = allowance->raised_from ? 2 : allowance->patience, used;

	if (now_ms - allowance->calm_ms < windows * allowance->window_ms)
		return;
	used = allowance->taken - allowance->calm_taken;
	be_calm(allowance, now_ms);
	if (used * 5 < windows * allowance->count * 4)
		return;
	if (allowance->raised_from && allowance->raise_percent < RAISE_PERCENT_MAX)
		allowance->raise_percent *= 2;
	allowance->raised_from = allowance->count;
	if (allowance->count < UINT32_MAX / 4)
		allowance->count += (uint32_t)greater((uint64_t)allowance->count * allowance->raise_percent / 100, 1);
	set_pace(allowance);
}

void allowance_accepted(struct allowance *allowance, unsigned n, uint64_t now_ms)
{
	if (allowance->closed_ms && allowance->probing)
		open_window(allowance, now_ms);
	if (allowance->begin_ms == 0 || (allowance->count == 0 && now_ms - allowance->taken_ms > QUIET_MS)) {
		allowance->begin_ms = now_ms;
		allowance->taken = 0;
	}
	allowance->taken += n;
	allowance->taken_ms = now_ms;
	if (allowance->count && !allowance->closed_ms)
		try_more(allowance, now_ms);
}

/* Asked */

unsigned allowance_take(struct allowance *allowance, unsigned n, uint64_t now_ms)
{
	if (!allowance->closed_ms)
		return pace_take(&allowance->pace, n, now_ms);
	if (n == 0 || allowance_next_ms(allowance, now_ms))
		return 0;
	allowance->probing = true;
	allowance->probe_ms = now_ms;
	return 1;
}

void allowance_give(struct allowance *allowance, unsigned n, uint64_t now_ms)
{
	if (!allowance->closed_ms) {
		pace_give(&allowance->pace, n);
	} else if (allowance->probing) {
		allowance->probing = false;
		allowance->probe_ms = now_ms + GAP_MS_MIN;
	}
}

uint64_t allowance_next_ms(const struct allowance *allowance, uint64_t now_ms)
{
	if (!allowance->closed_ms)
		return pace_next_ms(&allowance->pace, now_ms);
	uint64_t next_ms = allowance->probe_ms + (allowance->probing ? LOST_MS : 0);

	return now_ms < next_ms ? next_ms : 0;
}

bool allowance_is_closed(const struct allowance *allowance)
{
	return allowance->closed_ms != 0;
}

void allowance_recall(struct allowance *allowance, uint32_t count, uint32_t window_ms, unsigned trust_percent,
		      uint64_t now_ms)
{
	if (count == 0 || window_ms == 0)
		return;
	*allowance = (struct allowance){.count = count,
					.window_ms = window_ms,
					.patience = (uint16_t)(1 + trust_percent * (PATIENCE - 1) / 100),
					.raise_percent = RAISE_PERCENT};
	be_calm(allowance, now_ms);
	set_pace(allowance);
}
