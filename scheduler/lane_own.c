/* What we allow ourselves on a lane: its rates, the budgets it shares with other lanes and sites, the warm-up of its
 * source. What goes out is taken from every limit that counts it, from all or from none. */
#include "scheduler/site.h"

#include "scheduler/warm_up.h"

#include "base/check.h"

#include <stdlib.h>

static void limit_pace(struct pace *pace, uint64_t count, uint64_t period_ms, uint64_t burst)
{
	uint64_t full_us = pace->full_us;

	pace_init(pace, count, period_ms, burst);
	pace->full_us = full_us;
}

static struct lane_paces *paces_of(struct lane *lane)
{
	if (!lane->paces)
		lane->paces = calloc(1, sizeof(*lane->paces));
	CHECK(lane->paces != NULL);
	return lane->paces;
}

void lane_limit(struct lane *lane, const struct lane_limits *limits)
{
	const struct pace_limit *rate = &limits->connection_rate;

	CHECK(limits->connections > 0 && limits->nbudgets <= LANE_SOURCE_BUDGETS_MAX);
	lane->limits = limits;
	lane->ended = limits->ended;
	if (!lane->paces && limits->rate_count == 0 && rate->count == 0)
		return;
	limit_pace(&paces_of(lane)->rate, limits->rate_count, limits->rate_period_ms, limits->rate_burst);
	limit_pace(&lane->paces->connections, rate->count, rate->period_ms, rate->burst);
}

void lane_slow(struct lane *lane, uint64_t count, uint64_t period_ms, uint64_t until_ms)
{
	limit_pace(&paces_of(lane)->slow, count, period_ms, 1);
	lane->paces->slow_until_ms = until_ms;
}

bool lane_is_slowed(const struct lane *lane, uint64_t now_ms)
{
	return lane->paces && lane->paces->slow_until_ms > now_ms;
}

static void bind(uint64_t free_ms, enum lane_wait name, uint64_t *next_ms, enum lane_wait *wait)
{
	if (free_ms <= *next_ms)
		return;
	*next_ms = free_ms;
	*wait = name;
}

/* Of the budgets, the first that is counted for the name of its site: over all sources. Behind it, its own source. */
enum { OF_NAME = LANE_SOURCE_BUDGETS_MAX + 1 };

static struct namesakes_source *source_of(const struct lane *lane)
{
	return &lane->site->traffic->namesakes->sources[lane->source];
}

/* The i-th of LANE_BUDGETS_MAX; NULL: nothing is limited there. */
static struct budget *budget_at(const struct lane *lane, unsigned i)
{
	const struct site *site = lane->site;
	const struct traffic *traffic = site->traffic;

	if (i < LANE_SOURCE_BUDGETS_MAX)
		return i < lane->limits->nbudgets ? lane->limits->budgets[i] : NULL;
	if (i == LANE_SOURCE_BUDGETS_MAX)
		return traffic->total;
	if (i == OF_NAME)
		return traffic->namesakes ? &traffic->namesakes->common->total : NULL;
	return traffic->namesakes && site->standing != SITE_BESIDE ? &source_of(lane)->common->budget : NULL;
}

static enum lane_wait budget_wait(unsigned i)
{
	if (i < LANE_SOURCE_BUDGETS_MAX)
		return LANE_WAITS_SOURCE;
	return i <= OF_NAME ? LANE_WAITS_TOTAL : LANE_WAITS_SITE;
}

uint64_t lane_slow_next_ms(const struct lane *lane, uint64_t now_ms)
{
	const struct lane_paces *paces = lane->paces;
	uint64_t next_ms = pace_next_ms(&paces->slow, now_ms);

	return next_ms < paces->slow_until_ms ? next_ms : paces->slow_until_ms;
}

uint64_t lane_next_ms(const struct lane *lane, enum lane_wait *wait, uint64_t now_ms)
{
	uint64_t next_ms = 0;
	struct budget *budget;

	if (lane->paces)
		bind(pace_next_ms(&lane->paces->rate, now_ms), LANE_WAITS_RATE, &next_ms, wait);
	if (lane_is_slowed(lane, now_ms))
		bind(lane_slow_next_ms(lane, now_ms), LANE_WAITS_RATE, &next_ms, wait);
	for (unsigned i = 0; i < LANE_BUDGETS_MAX; i++)
		if ((budget = budget_at(lane, i)))
			bind(budget_next_ms(budget, now_ms), budget_wait(i), &next_ms, wait);
	if (lane->limits->warm_up)
		bind(warm_up_next_ms(lane->limits->warm_up, now_ms), LANE_WAITS_WARM_UP, &next_ms, wait);
	return next_ms;
}

/* What its name allows of connections opened; NULL: it says nothing. */
static struct budget *connects_of_name(const struct lane *lane)
{
	return lane->site->traffic->namesakes && lane->site->standing != SITE_BESIDE
		       ? &source_of(lane)->common->connects
		       : NULL;
}

uint64_t lane_connects_ms(const struct lane *lane, enum lane_wait *wait, uint64_t now_ms)
{
	const struct budget *connects;
	uint64_t next_ms = 0;

	if (lane->paces)
		bind(pace_next_ms(&lane->paces->connections, now_ms), LANE_WAITS_CONNECTION_RATE, &next_ms, wait);
	if (lane->limits->connects)
		bind(budget_next_ms(lane->limits->connects, now_ms), LANE_WAITS_SOURCE, &next_ms, wait);
	if ((connects = connects_of_name(lane)))
		bind(budget_next_ms(connects, now_ms), LANE_WAITS_CONNECTION_RATE, &next_ms, wait);
	return next_ms;
}

/* At most n from each budget, from all the same. */
static void give_to_budgets(struct lane *lane, unsigned end, unsigned n)
{
	struct budget *budget;

	for (unsigned i = 0; i < end; i++)
		if ((budget = budget_at(lane, i)))
			budget_give(budget, n);
}

static unsigned take_from_budgets(struct lane *lane, unsigned n, uint64_t now_ms)
{
	for (unsigned i = 0; i < LANE_BUDGETS_MAX; i++) {
		struct budget *budget = budget_at(lane, i);
		unsigned got = budget ? budget_take(budget, n, now_ms) : n;

		if (got < n)
			give_to_budgets(lane, i, n - got);
		n = got;
	}
	return n;
}

static void give_to_paces(struct lane *lane, unsigned n)
{
	if (!lane->paces)
		return;
	pace_give(&lane->paces->rate, n);
	pace_give(&lane->paces->slow, n);
}

static unsigned take_from_paces(struct lane *lane, unsigned n, uint64_t now_ms)
{
	struct lane_paces *paces = lane->paces;
	unsigned slowed, paced;

	if (!paces)
		return n;
	slowed = lane_is_slowed(lane, now_ms) ? pace_take(&paces->slow, n, now_ms) : n;
	paced = pace_take(&paces->rate, slowed, now_ms);
	pace_give(&paces->slow, slowed - paced);
	return paced;
}

static void give_to_own(struct lane *lane, unsigned n)
{
	give_to_paces(lane, n);
	give_to_budgets(lane, LANE_BUDGETS_MAX, n);
	if (lane->limits->warm_up)
		warm_up_give(lane->limits->warm_up, n);
}

/* From all that is ours, the same. */
static unsigned take_from_own(struct lane *lane, unsigned n, uint64_t now_ms)
{
	unsigned paced = take_from_paces(lane, n, now_ms);
	unsigned budgeted = take_from_budgets(lane, paced, now_ms), got = budgeted;

	if (lane->limits->warm_up)
		got = warm_up_take(lane->limits->warm_up, budgeted, now_ms);
	give_to_budgets(lane, LANE_BUDGETS_MAX, budgeted - got);
	give_to_paces(lane, paced - got);
	return got;
}

unsigned lane_take(struct lane *lane, struct exchanger *exchanger, unsigned n, uint64_t now_ms)
{
	unsigned own, got;

	if (lane_is_resting(lane, now_ms) || lane->held || lane->ended)
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

/* One connection more or less in that budget. What its name has here is counted for its share (namesakes.h). */
static void count(struct lane *lane, unsigned i, int change)
{
	struct namesakes *namesakes = lane->site->traffic->namesakes;

	lane->connected[i] += (unsigned)change;
	if (i == OF_NAME)
		namesakes->count.open += (unsigned)change;
	else if (i > OF_NAME)
		source_of(lane)->count.open += (unsigned)change;
}

static void disconnect_from(struct lane *lane, unsigned i)
{
	struct budget *budget = budget_at(lane, i);

	if (!budget)
		return;
	count(lane, i, -1);
	budget_disconnect(budget);
}

/* One more in each of the budgets, or in none. */
static bool connect_in_all(struct lane *lane)
{
	for (unsigned i = 0; i < LANE_BUDGETS_MAX; i++) {
		struct budget *budget = budget_at(lane, i);

		if (budget && !budget_connect(budget)) {
			while (i-- > 0)
				if (lane->connected[i])
					disconnect_from(lane, i);
			return false;
		}
		if (budget)
			count(lane, i, 1);
	}
	return true;
}

/* One of each of the connections it may open in a time, or none. */
static bool take_connects(const struct lane *lane, uint64_t now_ms)
{
	struct budget *source = lane->limits->connects, *name = connects_of_name(lane);

	if (source && budget_take(source, 1, now_ms) == 0)
		return false;
	if (!name || budget_take(name, 1, now_ms))
		return true;
	if (source)
		budget_give(source, 1);
	return false;
}

static void give_connects(const struct lane *lane)
{
	struct budget *source = lane->limits->connects, *name = connects_of_name(lane);

	if (source)
		budget_give(source, 1);
	if (name)
		budget_give(name, 1);
}

bool lane_connect(struct lane *lane, struct exchanger *exchanger, uint64_t now_ms)
{
	if (!take_connects(lane, now_ms))
		return false;
	if (!connect_in_all(lane)) {
		give_connects(lane);
		return false;
	}
	if (lane->paces)
		pace_take(&lane->paces->connections, 1, now_ms);
	lane->opening++;
	exchanger->opening++;
	exchanger->turn = ++lane->turns;
	return true;
}

void lane_unconnect(struct lane *lane)
{
	give_connects(lane);
	if (lane->paces)
		pace_give(&lane->paces->connections, 1);
}

/* A budget that came with a reload has not counted the connections of before. */
void lane_disconnect(struct lane *lane)
{
	for (unsigned i = 0; i < LANE_BUDGETS_MAX; i++)
		if (lane->connected[i] > lane->open + lane->opening)
			disconnect_from(lane, i);
}

bool lane_yields(struct lane *lane, uint64_t now_ms)
{
	struct namesakes *namesakes = lane->site->traffic->namesakes;

	return namesakes && namesakes_yields(namesakes, lane, now_ms);
}
