/* The arithmetic of one lane. Growth is by one a message (a slow start that is soon at its bound), shrinking by half;
 * the goal of records in memory follows what was really sent in the last second, so that a slow receiver never has
 * minutes of mail locked up here. */
#include "scheduler/lane.h"

#include "base/check.h"

#include <string.h>

enum {
	WINDOW_FIRST = 2,
	DEPTH_FIRST = 8,
	DEPTH_MAX = 64,
	GOAL_MAX = 256 /* one lease brings no more */,
	SUPPLY_S = 10,
	MESSAGES_A_CONNECTION = 8
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
	*lane = (struct lane){.site = site, .source = source, .depth = DEPTH_FIRST, .window = WINDOW_FIRST};
	list_init(&lane->ready);
	list_init(&lane->idlers);
	lane_limit(lane, limits);
}

void lane_limit(struct lane *lane, const struct lane_limits *limits)
{
	uint64_t full_us = lane->pace.full_us;

	CHECK(limits->connections > 0);
	lane->limits = *limits;
	pace_init(&lane->pace, limits->rate_count, limits->rate_period_ms, limits->rate_burst);
	lane->pace.full_us = full_us;
	lane->window = least(lane->window, limits->connections);
}

bool lane_is_resting(const struct lane *lane, uint64_t now_ms)
{
	return lane->rest_until_ms > now_ms;
}

unsigned lane_take(struct lane *lane, unsigned n, uint64_t now_ms)
{
	return lane_is_resting(lane, now_ms) ? 0 : pace_take(&lane->pace, n, now_ms);
}

unsigned lane_supply_goal(const struct lane *lane)
{
	unsigned connections = most(least(lane->window, lane->limits.connections), 1);
	unsigned goal = connections * lane->depth;
	unsigned sent = most(lane->sent_last_second, lane->sent_in_second);

	/* Never more than it can send in SUPPLY_S, judged by the last second and by the configured rate. */
	goal = least(goal, most(lane->failures ? 2 : connections * DEPTH_FIRST, sent * SUPPLY_S));
	if (lane->pace.count) {
		uint64_t rate = lane->pace.count * SUPPLY_S * 1000000 / lane->pace.period_us;

		goal = least(goal, (unsigned)(rate < GOAL_MAX ? rate + 1 : GOAL_MAX));
	}
	return most(least(goal, GOAL_MAX), 1);
}

void lane_ran_dry(struct lane *lane)
{
	lane->depth = least(lane->depth * 2, DEPTH_MAX);
}

bool lane_wants_connection(const struct lane *lane)
{
	unsigned have = lane->open + lane->opening;
	unsigned work = lane->nready + lane->inflight;

	if (lane->nready == 0 || lane->idle + lane->opening >= lane->nready)
		return false;
	if (have >= least(lane->window, lane->limits.connections))
		return false;
	/* A connection for every few messages: reuse is kinder than a crowd. */
	return have < (work + MESSAGES_A_CONNECTION - 1) / MESSAGES_A_CONNECTION;
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
	lane->failures = 0;
	lane->rest_until_ms = 0;
	lane->why[0] = '\0';
	lane->window = least(lane->window + 1, lane->limits.connections);
	lane->delivered += recipients;
}

void lane_failed(struct lane *lane, uint64_t delay_ms, struct slice why, uint64_t now_ms)
{
	lane->failures++;
	lane->refused++;
	lane->window = most(lane->window / 2, 1);
	if (now_ms + delay_ms > lane->rest_until_ms)
		lane->rest_until_ms = now_ms + delay_ms;
	why = slice_head(why, sizeof(lane->why) - 1);
	if (why.len)
		memcpy(lane->why, why.ptr, why.len);
	lane->why[why.len] = '\0';
}
