/* Joins crowd and allowance, each told only what is its own, and neither where the lane's limits say not to learn:
 * then a refusal is a rest. The allowance is made with the first "too much" and gets the stretch of time in which the
 * receiver took mail before it: it says how many fit. */
#include "scheduler/exchanger.h"

#include "scheduler/lane.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { QUIET_MS = 60000, REST_FIRST_MS = 60 * 1000, REST_MAX_MS = 30 * 60 * 1000 };

struct exchanger *exchanger_new(struct lane *lane, const struct exchanger_spec *spec)
{
	struct exchanger *exchanger = calloc(1, offsetof(struct exchanger, text) + spec->address.len);

	CHECK(exchanger != NULL && spec->address.len <= UINT16_MAX);
	if (spec->address.len)
		memcpy(exchanger->text, spec->address.ptr, spec->address.len);
	exchanger->address_len = (uint16_t)spec->address.len;
	exchanger->lane = lane;
	exchanger->preference = spec->preference;
	exchanger->route = spec->route;
	list_init(&exchanger->link);
	list_init(&exchanger->idlers);
	crowd_init(&exchanger->crowd);
	return exchanger;
}

void exchanger_free(struct exchanger *exchanger)
{
	list_remove(&exchanger->link);
	free(exchanger->allowance);
	free(exchanger->told);
	free(exchanger);
}

static bool learns(const struct exchanger *exchanger)
{
	return exchanger->lane->limits->learning;
}

bool exchanger_rests(const struct exchanger *exchanger, uint64_t now_ms)
{
	return exchanger->rest_until_ms > now_ms;
}

uint64_t exchanger_next_ms(const struct exchanger *exchanger, uint64_t now_ms)
{
	uint64_t free_ms = exchanger->allowance ? allowance_next_ms(exchanger->allowance, now_ms) : 0;

	if (exchanger_rests(exchanger, now_ms) && exchanger->rest_until_ms > free_ms)
		return exchanger->rest_until_ms;
	return free_ms;
}

bool exchanger_is_paced(const struct exchanger *exchanger)
{
	return exchanger->allowance && (exchanger->allowance->count || allowance_is_closed(exchanger->allowance));
}

bool exchanger_admits(const struct exchanger *exchanger, uint64_t now_ms)
{
	unsigned have = exchanger->open + exchanger->opening;

	if (exchanger->gone || exchanger_rests(exchanger, now_ms))
		return false;
	if (exchanger->failures && have)
		return false; /* after a rest one tries */
	return !learns(exchanger) || crowd_admits(&exchanger->crowd, have, now_ms);
}

bool exchanger_is_choosy(const struct exchanger *exchanger, uint64_t now_ms)
{
	return exchanger->gone || exchanger->failures || exchanger_rests(exchanger, now_ms) || exchanger->crowd.edge ||
	       exchanger_is_paced(exchanger);
}

unsigned exchanger_take(struct exchanger *exchanger, unsigned n, uint64_t now_ms)
{
	if (exchanger_rests(exchanger, now_ms))
		return 0;
	return exchanger->allowance ? allowance_take(exchanger->allowance, n, now_ms) : n;
}

void exchanger_give(struct exchanger *exchanger, unsigned n, uint64_t now_ms)
{
	if (exchanger->allowance)
		allowance_give(exchanger->allowance, n, now_ms);
}

void exchanger_accepted(struct exchanger *exchanger, unsigned n, uint64_t now_ms)
{
	if (!exchanger_rests(exchanger, now_ms))
		exchanger->failures = 0; /* else it was on its way when the exchanger said no */
	crowd_accepted(&exchanger->crowd, exchanger->open, now_ms);
	if (exchanger->allowance) {
		allowance_accepted(exchanger->allowance, n, now_ms);
		return;
	}
	if (exchanger->taken == 0 || now_ms - exchanger->taken_ms > QUIET_MS) {
		exchanger->begin_ms = now_ms;
		exchanger->taken = 0;
	}
	exchanger->taken += n;
	exchanger->taken_ms = now_ms;
}

static void rest(struct exchanger *exchanger, uint64_t delay_ms, uint64_t now_ms)
{
	uint64_t rest_ms = REST_FIRST_MS;

	for (unsigned i = 0; i < exchanger->failures && rest_ms < REST_MAX_MS; i++)
		rest_ms *= 2;
	if (rest_ms > REST_MAX_MS)
		rest_ms = REST_MAX_MS;
	exchanger->failures++;
	if (delay_ms)
		rest_ms = delay_ms;
	if (now_ms + rest_ms > exchanger->rest_until_ms)
		exchanger->rest_until_ms = now_ms + rest_ms;
}

static void make_allowance(struct exchanger *exchanger)
{
	exchanger->allowance = calloc(1, sizeof(*exchanger->allowance));
	CHECK(exchanger->allowance != NULL);
}

void exchanger_slower(struct exchanger *exchanger, unsigned n, uint64_t hint_ms, uint64_t now_ms)
{
	if (!learns(exchanger)) {
		rest(exchanger, hint_ms, now_ms);
		return;
	}
	if (!exchanger->allowance) {
		make_allowance(exchanger);
		exchanger->allowance->begin_ms = exchanger->begin_ms;
		exchanger->allowance->taken_ms = exchanger->taken_ms;
		exchanger->allowance->taken = exchanger->taken;
	}
	allowance_refused(exchanger->allowance, n, hint_ms, now_ms);
}

void exchanger_refused(struct exchanger *exchanger, unsigned others, uint64_t delay_ms, uint64_t now_ms)
{
	if (others && learns(exchanger)) {
		crowd_refused(&exchanger->crowd, others, now_ms);
		return;
	}
	exchanger->crowd.window = 1;
	rest(exchanger, delay_ms, now_ms);
}

void exchanger_recall(struct exchanger *exchanger, uint32_t count, uint32_t window_ms, unsigned edge,
		      unsigned trust_percent, uint64_t now_ms)
{
	if (!learns(exchanger))
		return;
	crowd_recall(&exchanger->crowd, edge, trust_percent, now_ms);
	if (count == 0 || window_ms == 0)
		return;
	if (!exchanger->allowance)
		make_allowance(exchanger);
	allowance_recall(exchanger->allowance, count, window_ms, trust_percent, now_ms);
}

bool exchanger_has_news(struct exchanger *exchanger, uint64_t confirm_ms, struct exchanger_learned *news,
			uint64_t now_ms)
{
	struct exchanger_told *told = exchanger->told;
	const struct allowance *allowance = exchanger->allowance;

	*news = (struct exchanger_learned){.edge = exchanger->crowd.edge};
	if (allowance) {
		news->count = allowance->raised_from ? allowance->raised_from : allowance->count;
		news->window_ms = allowance->window_ms;
	}
	if (!learns(exchanger) || (news->count == 0 && news->edge == 0))
		return false;
	if (told && news->count == told->learned.count && news->window_ms == told->learned.window_ms &&
	    news->edge == told->learned.edge && now_ms < told->at_ms + confirm_ms)
		return false;
	if (!told)
		told = exchanger->told = malloc(sizeof(*told));
	CHECK(told != NULL);
	*told = (struct exchanger_told){*news, now_ms};
	return true;
}
