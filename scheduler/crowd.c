/* Where it was refused is remembered, and approached from below at once: the number that was let in is no guess, the
 * receiver has just shown it. Rejected: halving, as for a network; a full receiver is not a congested one, and half of
 * what it gives us would stay unused until the next refusal. */
#include "scheduler/crowd.h"

enum { WINDOW_MAX = 10000, PATIENCE_FIRST_MS = 120 * 1000, PATIENCE_MAX_MS = 3600 * 1000 };

void crowd_init(struct crowd *crowd)
{
	*crowd = (struct crowd){.window = CROWD_FIRST, .patience_ms = PATIENCE_FIRST_MS};
}

/* One more than is known to be let in, when it is time for that. */
static bool may_try(const struct crowd *crowd, unsigned have, uint64_t now_ms)
{
	return crowd->edge && have == crowd->edge && crowd->try_ms <= now_ms;
}

bool crowd_admits(const struct crowd *crowd, unsigned have, uint64_t now_ms)
{
	return have < crowd->window || may_try(crowd, have, now_ms);
}

uint64_t crowd_next_ms(const struct crowd *crowd, unsigned have, uint64_t now_ms)
{
	return crowd->edge && have == crowd->edge && crowd->try_ms > now_ms ? crowd->try_ms : 0;
}

void crowd_accepted(struct crowd *crowd, unsigned open, uint64_t now_ms)
{
	if (crowd->edge == 0) {
		if (crowd->window < WINDOW_MAX)
			crowd->window++;
		return;
	}
	if (open > crowd->edge) { /* the one more was let in, and served */
		crowd->edge = (uint16_t)(open < WINDOW_MAX ? open : WINDOW_MAX);
		crowd->patience_ms = PATIENCE_FIRST_MS;
		crowd->try_ms = now_ms + PATIENCE_FIRST_MS / 4;
	}
	if (crowd->window < crowd->edge)
		crowd->window++;
}

void crowd_refused(struct crowd *crowd, unsigned open, uint64_t now_ms)
{
	bool again = crowd->edge && open >= crowd->edge;

	if (open > WINDOW_MAX)
		open = WINDOW_MAX;
	if (again && crowd->patience_ms < PATIENCE_MAX_MS)
		crowd->patience_ms *= 2;
	crowd->window = crowd->edge = (uint16_t)(open ? open : 1);
	crowd->try_ms = now_ms + crowd->patience_ms;
}

void crowd_recall(struct crowd *crowd, unsigned edge, unsigned trust_percent, uint64_t now_ms)
{
	if (edge == 0 || edge > WINDOW_MAX)
		return;
	crowd_init(crowd);
	crowd->edge = (uint16_t)edge;
	crowd->window = (uint16_t)(edge < CROWD_FIRST ? edge : CROWD_FIRST);
	crowd->try_ms = now_ms + (uint64_t)PATIENCE_FIRST_MS * trust_percent / 100;
}
