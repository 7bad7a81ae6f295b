/* The arithmetic of one lane. The goal of records in memory follows what was really sent in the last second and what
 * may be sent in the next ones, so that a slow receiver never has minutes of mail locked up here. What we allow
 * ourselves is in lane_own.c, which exchanger is next in lane_exchangers.c. */
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
	CHECK(source < 64);
	*lane = (struct lane){.site = site, .source = (uint8_t)source, .depth = DEPTH_FIRST};
	list_init(&lane->ready);
	list_init(&lane->urgent);
	list_init(&lane->exchangers);
	lane_limit(lane, limits);
}

void lane_clear(struct lane *lane)
{
	lane_clear_aside(lane);
	LIST_EACH (link, &lane->exchangers)
		exchanger_free(exchanger_of(link));
	free(lane->why);
	free(lane->senders);
	free(lane->paces);
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

unsigned lane_bulk_connections(const struct lane *lane)
{
	unsigned all = lane->limits->connections;

	return all < RESERVE_FROM ? all : all - least(lane->limits->reserved, all / 2);
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
		*connections += exchanger->failures	 ? 1
				: lane->limits->learning ? exchanger->crowd.window
							 : lane->limits->connections;
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

	connections = most(least(connections, lane->limits->connections), 1);
	fresh = had_trouble(lane) ? 2 : connections * DEPTH_FIRST; /* before it is known how fast it is */
	goal = least(connections * lane->depth, most(fresh, sent * SUPPLY_S));
	if (lane->limits->rate_count)
		goal = least(goal, supply_of(lane->limits->rate_count, lane->limits->rate_period_ms));
	if (lane->limits->warm_up)
		goal = least(goal, warm_up_left(lane->limits->warm_up, now_ms));
	return most(least(least(goal, supply), GOAL_MAX), 1);
}

void lane_ran_dry(struct lane *lane)
{
	lane->depth = (uint8_t)least(lane->depth * 2u, DEPTH_MAX);
}

/* What happened */

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

uint64_t lane_retry_ms(const struct lane *lane, uint64_t now_ms)
{
	uint64_t rest_ms = lane_rests_until_ms(lane, now_ms), next_ms = lane_exchangers_next_ms(lane, now_ms);
	uint64_t slow_ms = lane_is_slowed(lane, now_ms) ? lane_slow_next_ms(lane, now_ms) : 0;

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
