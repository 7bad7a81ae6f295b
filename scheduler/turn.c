/* What a site needs next. The order is the policy: mail that is here goes out first (an idle connection costs the
 * receiver), then connections for it, then more mail. Each lane gets the same questions; the first that has an answer
 * is served and the next lane is first next time. */
#include "scheduler/book.h"

enum {
	RETURN_MS = 10000,   /* a lane that rests longer gives its mail back to the queue */
	SHARE_MAX = 32,	     /* records from one list at a time while others wait their turn */
	IDLE_SITE_MS = 60000 /* how long a site without mail is remembered */
};

static void wait_until(struct lane *lane, enum lane_wait wait, uint64_t until_ms, uint64_t *wake_ms)
{
	lane->wait = wait;
	lane->wait_until_ms = until_ms;
	if (until_ms && (*wake_ms == 0 || until_ms < *wake_ms))
		*wake_ms = until_ms;
}

static bool next_send(const struct scheduler *scheduler, struct lane *lane, struct next *next, uint64_t now_ms,
		      uint64_t *wake_ms)
{
	uint64_t free_ms;

	if (lane->idle == 0 || lane->nready == 0 || scheduler->paused)
		return false;
	free_ms = pace_next_ms(&lane->pace, now_ms);
	if (free_ms) {
		wait_until(lane, LANE_WAITS_RATE, free_ms, wake_ms);
		return false;
	}
	*next = (struct next){.kind = NEXT_SEND, .lane = lane};
	return true;
}

static bool next_connect(struct scheduler *scheduler, struct lane *lane, struct next *next, uint64_t now_ms,
			 uint64_t *wake_ms)
{
	if (!lane_wants_connection(lane) || scheduler->paused)
		return false;
	if (scheduler->slots_free == 0) {
		wait_until(lane, LANE_WAITS_SLOTS, 0, wake_ms);
		list_remove(&lane->site->starved);
		list_push(&scheduler->starved, &lane->site->starved);
		return false;
	}
	if (pace_next_ms(&lane->pace, now_ms)) {
		wait_until(lane, LANE_WAITS_RATE, pace_next_ms(&lane->pace, now_ms), wake_ms);
		return false;
	}
	scheduler->slots_free--;
	lane->opening++;
	*next = (struct next){.kind = NEXT_CONNECT, .lane = lane};
	return true;
}

/* Transactional mail overtakes; bulk gets what is left. */
static struct ready *next_list(const struct lane *lane, uint64_t now_ms, uint64_t *wake_ms)
{
	struct ready *list = fair_choose(&lane->site->urgent, lane->source, now_ms, wake_ms);

	return list ? list : fair_choose(&lane->site->bulk, lane->source, now_ms, wake_ms);
}

/* How many of those the tenant's budget allows now, taken from it. */
static unsigned afford(const struct ready *list, unsigned count, uint64_t now_ms)
{
	struct budget *budget = list->tenant->terms.budget;

	return budget ? budget_take(budget, count, now_ms) : count;
}

static bool next_lease(struct scheduler *scheduler, struct lane *lane, struct next *next, uint64_t now_ms,
		       uint64_t *wake_ms)
{
	unsigned goal = lane_supply_goal(lane), have = lane->nready + lane->preparing + lane->asked, count;
	struct ready *list;

	if (scheduler->paused || have > goal / 2 || !(list = next_list(lane, now_ms, wake_ms)))
		return false;
	if (scheduler->records_free <= 0) {
		list_remove(&lane->site->starved);
		list_push(&scheduler->starved, &lane->site->starved);
		return false;
	}
	if (list->domain->routes_until_ms <= now_ms && !list->domain->asked && list_is_empty(&list->domain->asking))
		list_push(&scheduler->asks, &list->domain->asking);
	if (lane->site->unroutable && list->domain->routes_until_ms <= now_ms) {
		fair_rest(ready_fair(list), list);
		return false; /* it comes back into its turn when the DNS has answered again */
	}
	count = goal - have;
	if (count > SHARE_MAX && !fair_is_alone(ready_fair(list)))
		count = SHARE_MAX;
	count = afford(list, count, now_ms);
	if (count == 0) { /* another worker was faster */
		wait_until(lane, LANE_WAITS_RATE, now_ms + BUDGET_PATIENCE_MS, wake_ms);
		return false;
	}
	fair_rest(ready_fair(list), list);
	fair_charge(ready_fair(list), list, count);
	list->leasing = lane;
	list->asked = count;
	list->more = false;
	lane->asked += count;
	*next = (struct next){.kind = NEXT_LEASE, .lane = lane, .list = list, .domain = list->domain, .count = count};
	return true;
}

static bool lane_next(struct scheduler *scheduler, struct lane *lane, struct next *next, uint64_t now_ms,
		      uint64_t *wake_ms)
{
	if (lane->held) {
		wait_until(lane, LANE_WAITS_PAUSED, 0, wake_ms);
		return false;
	}
	if (lane_is_resting(lane, now_ms)) {
		wait_until(lane, LANE_WAITS_REST, lane->rest_until_ms, wake_ms);
		if (lane->nready == 0 || lane->rest_until_ms - now_ms < RETURN_MS)
			return false;
		*next = (struct next){.kind = NEXT_RETURN, .lane = lane};
		return true;
	}
	if (lane->limits.ended) {
		wait_until(lane, LANE_WAITS_MAIL, 0, wake_ms);
		*next = (struct next){.kind = NEXT_RETURN, .lane = lane};
		return lane->nready > 0;
	}
	lane->wait = lane->nready || lane->inflight ? LANE_WAITS_NOTHING : LANE_WAITS_MAIL;
	lane->wait_until_ms = 0;
	if (lane->nready && lane->idle == 0 && lane->open + lane->opening >= lane->window)
		lane->wait = LANE_WAITS_CONNECTIONS;
	return next_send(scheduler, lane, next, now_ms, wake_ms) ||
	       next_connect(scheduler, lane, next, now_ms, wake_ms) ||
	       next_lease(scheduler, lane, next, now_ms, wake_ms);
}

bool site_next(struct scheduler *scheduler, struct site *site, struct next *next, uint64_t now_ms)
{
	uint64_t wake_ms = 0;

	for (unsigned i = 0; i < site->nlanes; i++) {
		unsigned at = (site->first_lane + i) % site->nlanes;

		if (lane_next(scheduler, site->lanes[at], next, now_ms, &wake_ms)) {
			site->first_lane = (at + 1) % site->nlanes;
			return true;
		}
	}
	if (site->ndomains == 0 && wake_ms == 0)
		wake_ms = now_ms + IDLE_SITE_MS;
	if (wake_ms)
		timer_set(&scheduler->wheel, &site->timer, wake_ms);
	return false;
}
