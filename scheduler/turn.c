/* What a site needs next. The order is the policy: mail that is here goes out first (an idle connection costs the
 * receiver), then connections for it, then more mail. Each lane gets the same questions; the first that has an answer
 * is served and the next lane is first next time. More mail goes to the lane that had least of it, by weight.
 *
 * Nothing is asked again and again: what cannot be done has a time at which it can, or an event that will tell. */
#include "scheduler/book.h"

enum {
	RETURN_MS = 10000,	/* a lane that cannot send for longer gives its mail back to the queue */
	AHEAD_MS = 1000,	/* mail is leased so long before it can be sent */
	SHARE_MAX = 32,		/* records from one list at a time while others wait their turn */
	URGENT_OVERDRAFT = 256, /* records of transactional mail in memory beyond those there is room for */
	PASS_SCALE = 1000,
	PATIENCE_MS = 10000, /* with a lane that has its part and does not take it */
	IDLE_SITE_MS = 60000 /* how long a site without mail is remembered */
};

static void wait_until(struct lane *lane, enum lane_wait wait, uint64_t until_ms, uint64_t *wake_ms)
{
	lane->wait = (uint8_t)wait;
	lane->wait_until_ms = until_ms;
	if (until_ms && (*wake_ms == 0 || until_ms < *wake_ms))
		*wake_ms = until_ms;
}

/* For a time at which one of our own limits lets it go on. One that sites share is waited for in line. */
static void wait_own(struct lane *lane, enum lane_wait wait, uint64_t until_ms, uint64_t now_ms, uint64_t *wake_ms)
{
	bool in_line = lane->site->traffic->namesakes && (wait == LANE_WAITS_TOTAL || wait == LANE_WAITS_SITE);

	wait_until(lane, wait, until_ms, in_line ? &(uint64_t){0} : wake_ms);
	if (in_line)
		namesakes_wait(lane->site, until_ms, now_ms);
}

static void starve(struct scheduler *scheduler, struct site *site)
{
	list_remove(&site->place);
	site->starves = true;
	list_push(&scheduler->starved, &site->place);
}

static bool next_send(struct lane *lane, struct next *next, uint64_t now_ms)
{
	struct exchanger *exchanger;

	if (lane->idle == 0)
		return false;
	if (lane->nurgent == 0 && lane->open - lane->idle >= lane_bulk_connections(lane)) {
		lane->wait = LANE_WAITS_CONNECTIONS; /* the idle ones are kept for transactional mail */
		return false;
	}
	exchanger = lane_sends_to(lane, now_ms);
	if (exchanger)
		*next = (struct next){.kind = NEXT_SEND, .lane = lane, .exchanger = exchanger};
	return exchanger != NULL;
}

static bool next_connect(struct scheduler *scheduler, struct lane *lane, struct next *next, uint64_t now_ms,
			 uint64_t *wake_ms)
{
	struct exchanger *exchanger = lane_connects_to(lane, NULL, now_ms);
	enum lane_wait wait = LANE_WAITS_NOTHING;
	uint64_t free_ms = lane_connects_ms(lane, &wait, now_ms);

	if (!exchanger)
		return false;
	if (scheduler->slots_free == 0) {
		wait_until(lane, LANE_WAITS_SLOTS, 0, wake_ms);
		starve(scheduler, lane->site);
		return false;
	}
	if (free_ms) {
		wait_until(lane, wait, free_ms, wake_ms);
		return false;
	}
	if (lane->nurgent == 0 && scheduler->connects_left == 0) {
		wait_until(lane, LANE_WAITS_OPENING, 0, wake_ms);
		list_remove(&lane->site->traffic->unopened);
		list_push(&scheduler->unopened, &lane->site->traffic->unopened);
		return false;
	}
	if (lane->site->traffic->namesakes &&
	    !namesakes_admits(lane->site->traffic->namesakes, lane, lane->nurgent > 0, now_ms)) {
		wait_own(lane, LANE_WAITS_SITE, 0, now_ms, wake_ms);
		return false;
	}
	if (!lane_connect(lane, exchanger, now_ms)) {
		wait_until(lane, LANE_WAITS_TOTAL, now_ms + BUDGET_PATIENCE_MS, wake_ms);
		return false;
	}
	scheduler->slots_free--;
	if (lane->nurgent == 0)
		scheduler->connects_left--;
	*next = (struct next){.kind = NEXT_CONNECT, .lane = lane, .exchanger = exchanger};
	return true;
}

static bool next_return(struct lane *lane, struct next *next)
{
	if (lane->nready || lane->aside)
		*next = (struct next){.kind = NEXT_RETURN, .lane = lane};
	return lane->nready || lane->aside;
}

/* No exchanger takes mail just now: what is here waits, or goes back where others can have it. */
static bool next_wait(struct lane *lane, struct next *next, uint64_t now_ms, uint64_t *wake_ms)
{
	uint64_t until_ms = lane_exchangers_next_ms(lane, now_ms);

	if (until_ms == 0)
		return false;
	wait_until(lane, LANE_WAITS_ALLOWANCE, until_ms, wake_ms);
	return until_ms > now_ms + RETURN_MS && lane_is_closed(lane, now_ms) && next_return(lane, next);
}

/* What is to be done with the mail that is here. */
static bool lane_next(struct scheduler *scheduler, struct lane *lane, struct next *next, uint64_t now_ms,
		      uint64_t *wake_ms)
{
	enum lane_wait own = LANE_WAITS_NOTHING;
	uint64_t rest_ms = lane_rests_until_ms(lane, now_ms), free_ms;

	if (lane->held || lane->ended) {
		wait_until(lane, LANE_WAITS_PAUSED, 0, wake_ms);
		return next_return(lane, next);
	}
	if (rest_ms) {
		wait_until(lane, LANE_WAITS_REST, rest_ms, wake_ms);
		return rest_ms - now_ms >= RETURN_MS && next_return(lane, next);
	}
	lane->wait = lane->nready     ? LANE_WAITS_NOTHING
		     : lane->aside    ? LANE_WAITS_TENANT
		     : lane->inflight ? LANE_WAITS_NOTHING
				      : LANE_WAITS_MAIL;
	lane->wait_until_ms = 0;
	if (lane->nready == 0 || scheduler->paused)
		return false;
	free_ms = lane_next_ms(lane, &own, now_ms);
	if (free_ms) {
		wait_own(lane, own, free_ms, now_ms, wake_ms);
		return free_ms > now_ms + RETURN_MS && next_return(lane, next);
	}
	if (lane->idle == 0 && lane->opening == 0)
		lane->wait = LANE_WAITS_CONNECTIONS;
	return next_send(lane, next, now_ms) || next_connect(scheduler, lane, next, now_ms, wake_ms) ||
	       next_wait(lane, next, now_ms, wake_ms);
}

/* More mail would only lie here until then; 0: it is wanted now. */
static uint64_t too_early_ms(const struct lane *lane, enum lane_wait *wait, uint64_t now_ms)
{
	uint64_t own_ms = lane_next_ms(lane, wait, now_ms), theirs_ms = lane_exchangers_next_ms(lane, now_ms);

	if (theirs_ms > own_ms)
		*wait = LANE_WAITS_ALLOWANCE;
	else
		theirs_ms = own_ms;
	return theirs_ms > now_ms + AHEAD_MS ? theirs_ms : 0;
}

/* Transactional mail overtakes, and is not counted against room for the rest; bulk gets what is left. */
static struct ready *next_list(const struct lane *lane, unsigned *count, uint64_t now_ms, uint64_t *wake_ms)
{
	unsigned goal = lane_supply_goal(lane, now_ms), have = lane->nready + lane->preparing + lane->asked;
	struct ready *list = NULL;

	if (lane->nurgent <= goal / 2 && have - lane->nurgent <= 2 * goal) {
		list = fair_choose(&lane->site->urgent, lane->source, false, now_ms, wake_ms);
		*count = goal - lane->nurgent;
	}
	if (!list && have <= goal / 2) {
		list = fair_choose(&lane->site->bulk, lane->source, true, now_ms, wake_ms);
		*count = goal - have;
	}
	return list;
}

/* How many of those the tenant's budget allows now, taken from it. */
static unsigned afford(const struct ready *list, unsigned count, uint64_t now_ms)
{
	struct budget *budget = list->tenant->terms.budget;

	if (!list->transactional)
		count = tenant_room(list->tenant, count);
	return budget ? budget_take(budget, count, now_ms) : count;
}

static unsigned weight_of(const struct lane *lane)
{
	return lane->limits->weight ? lane->limits->weight : 1;
}

/* A lane that had nothing to lease for long starts where the others are. */
static void charge_lane(struct lane *lane, unsigned count, uint64_t now_ms)
{
	struct traffic *traffic = lane->site->traffic;

	if (lane->pass < traffic->pass && lane->leased_ms + PATIENCE_MS <= now_ms)
		lane->pass = traffic->pass;
	traffic->pass = lane->pass;
	lane->pass += (uint64_t)count * PASS_SCALE / weight_of(lane);
}

/* It could take mail of this list too. */
static bool competes(const struct lane *lane, const struct ready *list, uint64_t now_ms)
{
	enum lane_wait wait;

	return list->sources >> lane->source & 1 && !lane->held && !lane->ended && !lane_is_resting(lane, now_ms) &&
	       lane_next_ms(lane, &wait, now_ms) == 0 && lane_exchangers_next_ms(lane, now_ms) == 0;
}

/* How many it may lease beside its fellows, so that they share by weight: nobody takes all at once, the lighter one
 * takes less at a time, and waits while it is a lease ahead of one that has taken some of late and is merely busy. One
 * that does not get on leaves its part to the others. */
static unsigned part_of(const struct lane *lane, const struct ready *list, unsigned count, bool *is_shared,
			uint64_t now_ms)
{
	const struct site *site = lane->site;
	unsigned weight = weight_of(lane), heaviest = weight, part;
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; site->nlanes > 1 && i < site->nlanes; i++) {
		const struct lane *other = site->lanes[i];

		if (other == lane || !competes(other, list, now_ms))
			continue;
		*is_shared = true;
		if (count > SHARE_MAX)
			count = SHARE_MAX;
		if (other->leased_ms + PATIENCE_MS > now_ms && other->pass < least)
			least = other->pass;
		heaviest = weight_of(other) > heaviest ? weight_of(other) : heaviest;
	}
	part = count * weight / heaviest;
	part = part ? part : 1;
	if (least != UINT64_MAX && lane->pass > least + (uint64_t)count * PASS_SCALE / heaviest)
		return 0;
	return part;
}

static bool has_room(struct scheduler *scheduler, struct site *site, bool transactional)
{
	int least = transactional ? -URGENT_OVERDRAFT : 0;

	if (scheduler->records_free > least)
		return true;
	starve(scheduler, site);
	return false;
}

/* Its routes have aged: they are asked for again, and the mail waits for the answer if there are none. */
static bool has_routes(struct scheduler *scheduler, struct ready *list, uint64_t now_ms)
{
	struct domain *domain = list->domain;

	if (domain->routes_until_ms > now_ms)
		return true;
	if (!domain->asked && list_is_empty(&domain->asking))
		list_push(&scheduler->asks, &domain->asking);
	if (!domain->site->unroutable)
		return true;
	fair_rest(ready_fair(list), list); /* it comes back into its turn when the DNS has answered again */
	return false;
}

static bool next_lease(struct scheduler *scheduler, struct lane *lane, struct next *next, uint64_t now_ms,
		       uint64_t *wake_ms)
{
	enum lane_wait wait = LANE_WAITS_NOTHING;
	bool is_shared = false;
	uint64_t early_ms, tenant_ms = 0;
	unsigned count;
	struct ready *list;

	if (scheduler->paused || lane->held || lane->ended || lane_is_resting(lane, now_ms))
		return false;
	list = next_list(lane, &count, now_ms, &tenant_ms);
	if (tenant_ms)
		wait_until(lane, lane->wait == LANE_WAITS_MAIL ? LANE_WAITS_TENANT : lane->wait, tenant_ms, wake_ms);
	if (!list)
		return false;
	if (!lane_has_route(lane)) {
		wait_until(lane, LANE_WAITS_FAMILY, 0, wake_ms);
		return false;
	}
	early_ms = too_early_ms(lane, &wait, now_ms);
	if (early_ms) {
		wait_own(lane, wait, early_ms - AHEAD_MS, now_ms, wake_ms);
		return false;
	}
	if (!has_room(scheduler, lane->site, list->transactional) || !has_routes(scheduler, list, now_ms))
		return false;
	if (count > SHARE_MAX && !fair_is_alone(ready_fair(list)))
		count = SHARE_MAX;
	count = part_of(lane, list, count, &is_shared, now_ms);
	if (count == 0) { /* the others are to have their part first */
		wait_until(lane, LANE_WAITS_WEIGHT, now_ms + PATIENCE_MS, wake_ms);
		return false;
	}
	count = afford(list, count, now_ms);
	if (count == 0) { /* another worker was faster */
		wait_until(lane, LANE_WAITS_TENANT, now_ms + BUDGET_PATIENCE_MS, wake_ms);
		return false;
	}
	fair_rest(ready_fair(list), list);
	fair_charge(list, count);
	if (is_shared) /* what nobody else could have sent is not held against it */
		charge_lane(lane, count, now_ms);
	lane->leased_ms = now_ms;
	lane_prepare(lane);
	list->leasing = true;
	list->lease.lane = lane;
	list->lease.asked = (uint16_t)count;
	list->more = false;
	lane->asked += count;
	list->tenant->asked += count;
	*next = (struct next){.kind = NEXT_LEASE, .lane = lane, .list = list, .domain = list->domain, .count = count};
	return true;
}

/* Those before it have been asked: the lane that had least of the others; NULL: none is left. */
static struct lane *least_served(const struct site *site, const struct lane *after)
{
	struct lane *least = NULL;

	for (unsigned i = 0; i < site->nlanes; i++) {
		struct lane *lane = site->lanes[i];

		if (after && (lane->pass < after->pass || (lane->pass == after->pass && lane->source <= after->source)))
			continue;
		if (!least || lane->pass < least->pass)
			least = lane;
	}
	return least;
}

/* Without traffic there is nothing to do but to lease. One that was never leased from has learned nothing that is worth
 * keeping it for when its domains are gone. */
static bool begins(struct scheduler *scheduler, struct site *site, uint64_t now_ms)
{
	bool urgent = fair_has_turn(&site->urgent);

	if (book_forget_site(scheduler, site, now_ms) || scheduler->paused)
		return false;
	if (!(urgent || fair_has_turn(&site->bulk)) || !has_room(scheduler, site, urgent))
		return false;
	site_open(site);
	return true;
}

static bool next_of_lanes(struct scheduler *scheduler, struct site *site, struct next *next, uint64_t now_ms,
			  uint64_t *wake_ms)
{
	struct traffic *traffic = site->traffic;

	for (unsigned i = 0; i < site->nlanes; i++) {
		unsigned at = (traffic->first_lane + i) % site->nlanes;

		if (lane_next(scheduler, site->lanes[at], next, now_ms, wake_ms)) {
			traffic->first_lane = (uint8_t)((at + 1) % site->nlanes);
			return true;
		}
	}
	return false;
}

bool site_next(struct scheduler *scheduler, struct site *site, struct next *next, uint64_t now_ms)
{
	uint64_t wake_ms = 0;

	if (!site->traffic && !begins(scheduler, site, now_ms))
		return false;
	if (next_of_lanes(scheduler, site, next, now_ms, &wake_ms))
		return true;
	for (struct lane *lane = least_served(site, NULL); lane; lane = least_served(site, lane))
		if (next_lease(scheduler, lane, next, now_ms, &wake_ms))
			return true;
	if (site->ndomains == 0 && wake_ms == 0)
		wake_ms = now_ms + IDLE_SITE_MS;
	if (wake_ms)
		timer_set(&scheduler->wheel, &site->traffic->timer, wake_ms);
	return false;
}
