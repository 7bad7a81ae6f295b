/* The arithmetic of one lane. What goes out is taken from every limit that counts it, from all or from none; the goal
 * of records in memory follows what was really sent in the last second and what may be sent in the next ones, so that a
 * slow receiver never has minutes of mail locked up here. Which exchanger is next is in lane_exchangers.c. */
#include "scheduler/site.h"

#include "scheduler/warm_up.h"

#include "base/check.h"

#include <stdlib.h>

enum {
	WHY_MAX = 128,
	DEPTH_FIRST = 8,
	DEPTH_MAX = 64,
	GOAL_MAX = 256 /* one lease brings no more */,
	SUPPLY_S = 10,
	RESERVE_FROM = 4, /* with fewer connections none is kept for transactional mail */
	REST_FIRST_MS = 60 * 1000,
	REST_MAX_MS = 4 * 3600 * 1000,
	RETRY_MS_MIN = 1000,
	RETRY_MS_MAX = 3600 * 1000,
};

const char *lane_wait_name(enum lane_wait wait)
{
	static const char *const names[] = {
#define X(name, text, meaning) text,
		LANE_WAITS(X)
#undef X
	};

	return names[wait];
}

const char *lane_wait_meaning(enum lane_wait wait)
{
	static const char *const meanings[] = {
#define X(name, text, meaning) meaning,
		LANE_WAITS(X)
#undef X
	};

	return meanings[wait];
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned most(unsigned a, unsigned b)
{
	return a > b ? a : b;
}

void lane_init(struct lane *lane, struct site *site, unsigned source, const struct lane_limits *limits)
{
	*lane = (struct lane){.site = site, .source = source, .depth = DEPTH_FIRST};
	list_init(&lane->ready);
	list_init(&lane->urgent);
	list_init(&lane->exchangers);
	lane_limit(lane, limits);
}

void lane_clear(struct lane *lane)
{
	LIST_EACH (link, &lane->exchangers)
		exchanger_free(exchanger_of(link));
	free(lane->why);
	free(lane->senders);
}

static void limit_pace(struct pace *pace, uint64_t count, uint64_t period_ms, uint64_t burst)
{
	uint64_t full_us = pace->full_us;

	pace_init(pace, count, period_ms, burst);
	pace->full_us = full_us;
}

void lane_limit(struct lane *lane, const struct lane_limits *limits)
{
	const struct pace_limit *rate = &limits->connection_rate;

	CHECK(limits->connections > 0 && limits->nbudgets <= LANE_BUDGETS_MAX);
	lane->limits = *limits;
	limit_pace(&lane->pace, limits->rate_count, limits->rate_period_ms, limits->rate_burst);
	limit_pace(&lane->connection_pace, rate->count, rate->period_ms, rate->burst);
}

/* The queues */

void lane_put(struct lane *lane, struct list *link, bool urgent)
{
	list_push(urgent ? &lane->urgent : &lane->ready, link);
	lane->nready++;
	lane->nurgent += urgent;
}

void lane_put_back(struct lane *lane, struct list *link, bool urgent)
{
	list_push_front(urgent ? &lane->urgent : &lane->ready, link);
	lane->nready++;
	lane->nurgent += urgent;
}

struct list *lane_first(const struct lane *lane)
{
	struct list *link = list_first(&lane->urgent);

	return link ? link : list_first(&lane->ready);
}

struct list *lane_pop(struct lane *lane)
{
	struct list *link = lane_first(lane);

	if (link)
		lane_remove(lane, link, lane->nurgent > 0);
	return link;
}

struct list *lane_first_of(const struct lane *lane, bool urgent)
{
	return list_first(urgent ? &lane->urgent : &lane->ready);
}

bool lane_offers(const struct lane *lane, bool counted_idle, bool behind, bool *urgent)
{
	unsigned bulk = lane->nready - lane->nurgent, busy = lane->open - lane->idle - !counted_idle;

	*urgent = lane->nurgent > (behind ? lane->idle + lane->opening : 0);
	return *urgent || (bulk && busy < lane_bulk_connections(lane));
}

void lane_remove(struct lane *lane, struct list *link, bool urgent)
{
	CHECK(lane->nready > 0 && lane->nurgent >= urgent);
	list_remove(link);
	lane->nready--;
	lane->nurgent -= urgent;
}

/* Our own limits */

static void bind(uint64_t free_ms, enum lane_wait name, uint64_t *next_ms, enum lane_wait *wait)
{
	if (free_ms <= *next_ms)
		return;
	*next_ms = free_ms;
	*wait = name;
}

/* The last are its site's: over all sources, and if it has namesakes, its source's part there; before them the
 * source's. */
static enum lane_wait budget_wait(const struct lane *lane, unsigned i)
{
	unsigned after = lane->limits.nbudgets - 1 - i;

	if (lane->site->namesakes && after == 0)
		return LANE_WAITS_SITE;
	return after == (lane->site->namesakes ? 1 : 0) ? LANE_WAITS_TOTAL : LANE_WAITS_SOURCE;
}

/* When a rule's rate lets the next one go, or is over. */
static uint64_t slow_next_ms(const struct lane *lane, uint64_t now_ms)
{
	uint64_t next_ms = pace_next_ms(&lane->slow, now_ms);

	return next_ms < lane->slow_until_ms ? next_ms : lane->slow_until_ms;
}

uint64_t lane_next_ms(const struct lane *lane, enum lane_wait *wait, uint64_t now_ms)
{
	uint64_t next_ms = 0;

	bind(pace_next_ms(&lane->pace, now_ms), LANE_WAITS_RATE, &next_ms, wait);
	if (lane_is_slowed(lane, now_ms))
		bind(slow_next_ms(lane, now_ms), LANE_WAITS_RATE, &next_ms, wait);
	for (unsigned i = 0; i < lane->limits.nbudgets; i++)
		bind(budget_next_ms(lane->limits.budgets[i], now_ms), budget_wait(lane, i), &next_ms, wait);
	if (lane->limits.warm_up)
		bind(warm_up_next_ms(lane->limits.warm_up, now_ms), LANE_WAITS_WARM_UP, &next_ms, wait);
	return next_ms;
}

uint64_t lane_connects_ms(const struct lane *lane, enum lane_wait *wait, uint64_t now_ms)
{
	uint64_t next_ms = 0;

	bind(pace_next_ms(&lane->connection_pace, now_ms), LANE_WAITS_CONNECTION_RATE, &next_ms, wait);
	if (lane->limits.connects)
		bind(budget_next_ms(lane->limits.connects, now_ms), LANE_WAITS_SOURCE, &next_ms, wait);
	return next_ms;
}

/* At most n from each budget, from all the same. */
static unsigned take_from_budgets(struct lane *lane, unsigned n, uint64_t now_ms)
{
	struct budget *const *budgets = lane->limits.budgets;

	for (unsigned i = 0; i < lane->limits.nbudgets; i++) {
		unsigned got = budget_take(budgets[i], n, now_ms);

		for (unsigned before = 0; got < n && before < i; before++)
			budget_give(budgets[before], n - got);
		n = got;
	}
	return n;
}

static void give_to_own(struct lane *lane, unsigned n)
{
	pace_give(&lane->pace, n);
	pace_give(&lane->slow, n);
	for (unsigned i = 0; i < lane->limits.nbudgets; i++)
		budget_give(lane->limits.budgets[i], n);
	if (lane->limits.warm_up)
		warm_up_give(lane->limits.warm_up, n);
}

/* From all that is ours, the same. */
static unsigned take_from_own(struct lane *lane, unsigned n, uint64_t now_ms)
{
	unsigned slowed = lane_is_slowed(lane, now_ms) ? pace_take(&lane->slow, n, now_ms) : n;
	unsigned paced = pace_take(&lane->pace, slowed, now_ms);
	unsigned budgeted = take_from_budgets(lane, paced, now_ms), got = budgeted;

	if (lane->limits.warm_up)
		got = warm_up_take(lane->limits.warm_up, budgeted, now_ms);
	for (unsigned i = 0; i < lane->limits.nbudgets; i++)
		budget_give(lane->limits.budgets[i], budgeted - got);
	pace_give(&lane->pace, paced - got);
	pace_give(&lane->slow, slowed - got);
	return got;
}

unsigned lane_take(struct lane *lane, struct exchanger *exchanger, unsigned n, uint64_t now_ms)
{
	unsigned own, got;

	if (lane_is_resting(lane, now_ms) || lane->held || lane->limits.ended)
		return 0;
	own = take_from_own(lane, n, now_ms);
	got = exchanger_take(exchanger, own, now_ms);
	give_to_own(lane, own - got);
	return got;
}

void lane_give(struct lane *lane, struct exchanger *exchanger, unsigned n, uint64_t now_ms)
{
	give_to_own(lane, n);
	exchanger_give(exchanger, n, now_ms);
}

unsigned lane_bulk_connections(const struct lane *lane)
{
	unsigned all = lane->limits.connections;

	return all < RESERVE_FROM ? all : all - least(lane->limits.reserved, all / 2);
}

/* Supply */

/* What a rate lets through in SUPPLY_S, at least one. */
static unsigned supply_of(uint64_t count, uint64_t period_ms)
{
	uint64_t supply = count * SUPPLY_S * 1000 / period_ms;

	return supply < GOAL_MAX ? (unsigned)supply + 1 : GOAL_MAX;
}

/* What the exchangers together let through, and how many connections they would have. */
static unsigned exchangers_supply(const struct lane *lane, unsigned *connections)
{
	unsigned supply = 0;

	*connections = CROWD_FIRST;
	if (list_is_empty(&lane->exchangers))
		return GOAL_MAX;
	*connections = 0;
	LIST_EACH (link, &lane->exchangers) {
		const struct exchanger *exchanger = exchanger_of(link);
		const struct allowance *allowance = exchanger->allowance;

		if (exchanger->gone)
			continue;
		*connections += exchanger->failures	? 1
				: lane->limits.learning ? exchanger->crowd.window
							: lane->limits.connections;
		if (!exchanger_is_paced(exchanger))
			supply = GOAL_MAX;
		else if (allowance->count == 0)
			supply++;
		else
			supply += supply_of(allowance->count, allowance->window_ms);
	}
	return most(supply, 1);
}

static bool had_trouble(const struct lane *lane)
{
	struct list *link = list_first(&lane->exchangers);

	return lane->failures || (link && exchanger_of(link)->failures);
}

unsigned lane_supply_goal(const struct lane *lane, uint64_t now_ms)
{
	unsigned connections, supply = exchangers_supply(lane, &connections);
	unsigned sent = now_ms - lane->second_ms < 2000 ? most(lane->sent_last_second, lane->sent_in_second) : 0;
	unsigned goal, fresh;

	connections = most(least(connections, lane->limits.connections), 1);
	fresh = had_trouble(lane) ? 2 : connections * DEPTH_FIRST; /* before it is known how fast it is */
	goal = least(connections * lane->depth, most(fresh, sent * SUPPLY_S));
	if (lane->pace.count)
		goal = least(goal, supply_of(lane->limits.rate_count, lane->limits.rate_period_ms));
	if (lane->limits.warm_up)
		goal = least(goal, warm_up_left(lane->limits.warm_up, now_ms));
	return most(least(least(goal, supply), GOAL_MAX), 1);
}

void lane_ran_dry(struct lane *lane)
{
	lane->depth = least(lane->depth * 2, DEPTH_MAX);
}

/* What happened */

bool lane_connect(struct lane *lane, struct exchanger *exchanger, uint64_t now_ms)
{
	if (lane->limits.connects && budget_take(lane->limits.connects, 1, now_ms) == 0)
		return false;
	for (unsigned i = 0; i < lane->limits.nbudgets; i++) {
		if (budget_connect(lane->limits.budgets[i])) {
			lane->connected[i]++;
			continue;
		}
		while (i-- > 0) {
			budget_disconnect(lane->limits.budgets[i]);
			lane->connected[i]--;
		}
		if (lane->limits.connects)
			budget_give(lane->limits.connects, 1);
		return false;
	}
	pace_take(&lane->connection_pace, 1, now_ms);
	lane->opening++;
	exchanger->opening++;
	exchanger->turn = ++lane->turns;
	return true;
}

/* A budget that came with a reload has not counted the connections of before. */
void lane_disconnect(struct lane *lane)
{
	for (unsigned i = 0; i < lane->limits.nbudgets; i++)
		if (lane->connected[i] > lane->open + lane->opening) {
			lane->connected[i]--;
			budget_disconnect(lane->limits.budgets[i]);
		}
}

static void count_sent(struct lane *lane, unsigned n, uint64_t now_ms)
{
	if (now_ms - lane->second_ms >= 1000) {
		lane->sent_last_second = now_ms - lane->second_ms < 2000 ? lane->sent_in_second : 0;
		lane->sent_in_second = 0;
		lane->second_ms = now_ms;
	}
	lane->sent_in_second += n;
}

void lane_succeeded(struct lane *lane, unsigned recipients, uint64_t now_ms)
{
	count_sent(lane, recipients, now_ms);
	lane->delivered += recipients;
	if (lane->rest_until_ms > now_ms)
		return; /* it was on its way when the site said no */
	lane->failures = 0;
	free(lane->why);
	lane->why = NULL;
}

void lane_rest(struct lane *lane, uint64_t delay_ms, uint64_t now_ms)
{
	uint64_t rest_ms = REST_FIRST_MS;

	for (unsigned i = 0; i < lane->failures && rest_ms < REST_MAX_MS; i++)
		rest_ms *= 2;
	if (delay_ms)
		rest_ms = delay_ms;
	lane->failures++;
	if (now_ms + rest_ms > lane->rest_until_ms)
		lane->rest_until_ms = now_ms + (rest_ms < REST_MAX_MS ? rest_ms : REST_MAX_MS);
}

void lane_rest_sender(struct lane *lane, struct slice sender, uint64_t delay_ms, uint64_t now_ms)
{
	if (!lane->senders)
		lane->senders = calloc(1, sizeof(*lane->senders));
	CHECK(lane->senders != NULL);
	sender_rests_add(lane->senders, sender, delay_ms, now_ms);
}

uint64_t lane_sender_rests_until_ms(const struct lane *lane, struct slice sender, uint64_t now_ms)
{
	return lane->senders ? sender_rests_until_ms(lane->senders, sender, now_ms) : 0;
}

void lane_slow(struct lane *lane, uint64_t count, uint64_t period_ms, uint64_t until_ms)
{
	limit_pace(&lane->slow, count, period_ms, 1);
	lane->slow_until_ms = until_ms;
}

bool lane_is_slowed(const struct lane *lane, uint64_t now_ms)
{
	return lane->slow_until_ms > now_ms;
}

uint64_t lane_retry_ms(const struct lane *lane, uint64_t now_ms)
{
	uint64_t rest_ms = lane_rests_until_ms(lane, now_ms), next_ms = lane_exchangers_next_ms(lane, now_ms);
	uint64_t slow_ms = lane_is_slowed(lane, now_ms) ? slow_next_ms(lane, now_ms) : 0;

	if (next_ms < slow_ms)
		next_ms = slow_ms;
	if (next_ms < rest_ms)
		next_ms = rest_ms;
	if (next_ms < now_ms + RETRY_MS_MIN)
		return RETRY_MS_MIN;
	return next_ms - now_ms < RETRY_MS_MAX ? next_ms - now_ms : RETRY_MS_MAX;
}

void lane_remember_why(struct lane *lane, struct slice why)
{
	lane->refused++;
	free(lane->why);
	lane->why = why.len ? slice_copy(slice_head(why, WHY_MAX)) : NULL;
}
