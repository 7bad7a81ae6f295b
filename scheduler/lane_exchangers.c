/* Which of a lane's exchangers is next: the best preference that has room, the one chosen longest ago among equals
 * (RFC 5321 5.1). A worse one is asked while the better ones rest, are full or have had as much as they take: that is
 * what it is there for. While a better one merely has not been asked for all it would take, it is not. */
#include "scheduler/site.h"

#include "base/check.h"

#include <stdlib.h>

enum { MESSAGES_A_CONNECTION = 8, EXCHANGERS_MAX = 64 };

static struct exchanger *find(const struct lane *lane, struct slice address)
{
	LIST_EACH (link, &lane->exchangers)
		if (slice_is(exchanger_address(exchanger_of(link)), address))
			return exchanger_of(link);
	return NULL;
}

/* Into its place: after all that are as good. */
static void place(struct lane *lane, struct exchanger *exchanger)
{
	struct list *before = &lane->exchangers;

	list_remove(&exchanger->link);
	LIST_EACH (link, &lane->exchangers)
		if (exchanger_of(link)->preference > exchanger->preference) {
			before = link;
			break;
		}
	list_insert(before, &exchanger->link);
}

static bool is_worth_keeping(const struct exchanger *exchanger)
{
	return exchanger->open || exchanger->opening || exchanger->allowance || exchanger->crowd.edge ||
	       exchanger->failures;
}

static void forget_gone(struct lane *lane, unsigned kept)
{
	LIST_EACH (link, &lane->exchangers) {
		struct exchanger *exchanger = exchanger_of(link);
		bool busy = exchanger->open || exchanger->opening;

		if (!exchanger->gone || busy || (is_worth_keeping(exchanger) && ++kept < EXCHANGERS_MAX))
			continue;
		exchanger_free(exchanger);
	}
}

/* An address of ours of one family reaches none of the other. */
static bool suits(const struct lane *lane, unsigned family)
{
	return !lane->limits->family || !family || lane->limits->family == family;
}

bool lane_has_route(const struct lane *lane)
{
	const struct site *site = lane->site;

	for (unsigned i = 0; i < site->nways; i++)
		if (suits(lane, site->ways[i].family))
			return true;
	return site->nways == 0;
}

void lane_route(struct lane *lane, const struct exchanger_spec *exchangers, unsigned nexchangers)
{
	LIST_EACH (link, &lane->exchangers)
		exchanger_of(link)->gone = true;
	for (unsigned i = 0; i < nexchangers; i++) {
		struct exchanger *exchanger = find(lane, exchangers[i].address);

		if (!suits(lane, exchangers[i].family))
			continue;
		if (!exchanger)
			exchanger = exchanger_new(lane, &exchangers[i]);
		else if (!exchanger->gone)
			continue; /* the address of two names: the better one counts */
		exchanger->gone = false;
		exchanger->preference = exchangers[i].preference;
		exchanger->route = exchangers[i].route;
		place(lane, exchanger);
	}
	forget_gone(lane, nexchangers);
}

void lane_follow(struct lane *lane)
{
	const struct site *site = lane->site;
	struct exchanger_spec exchangers[EXCHANGERS_MAX];

	CHECK(site->nways <= EXCHANGERS_MAX);
	for (unsigned i = 0; i < site->nways; i++)
		exchangers[i] = site_exchanger(site, i);
	lane_route(lane, exchangers, site->nways);
}

struct exchanger *lane_prepare(struct lane *lane)
{
	static const struct exchanger_spec nameless;

	if (list_is_empty(&lane->exchangers))
		lane_follow(lane);
	if (list_is_empty(&lane->exchangers))
		lane_route(lane, &nameless, 1);
	return exchanger_of(list_first(&lane->exchangers));
}

uint64_t lane_rests_until_ms(const struct lane *lane, uint64_t now_ms)
{
	uint64_t first_ms = UINT64_MAX;

	LIST_EACH (link, &lane->exchangers) {
		const struct exchanger *exchanger = exchanger_of(link);
		uint64_t until_ms = exchanger_rests(exchanger, now_ms) ? exchanger->rest_until_ms : 0;

		if (!exchanger->gone && until_ms < first_ms)
			first_ms = until_ms;
	}
	if (first_ms == UINT64_MAX)
		first_ms = 0;
	if (lane->rest_until_ms > now_ms && lane->rest_until_ms > first_ms)
		return lane->rest_until_ms;
	return first_ms;
}

bool lane_is_resting(const struct lane *lane, uint64_t now_ms)
{
	return lane_rests_until_ms(lane, now_ms) != 0;
}

bool lane_is_closed(const struct lane *lane, uint64_t now_ms)
{
	LIST_EACH (link, &lane->exchangers) {
		const struct exchanger *exchanger = exchanger_of(link);
		bool closed = exchanger->allowance && allowance_is_closed(exchanger->allowance);

		if (!exchanger->gone && !closed && !exchanger_rests(exchanger, now_ms))
			return false;
	}
	return true;
}

uint64_t lane_exchangers_next_ms(const struct lane *lane, uint64_t now_ms)
{
	uint64_t first_ms = UINT64_MAX;

	if (list_is_empty(&lane->exchangers))
		return 0;
	LIST_EACH (link, &lane->exchangers) {
		uint64_t next_ms = exchanger_next_ms(exchanger_of(link), now_ms);

		if (!exchanger_of(link)->gone && next_ms < first_ms)
			first_ms = next_ms;
	}
	return first_ms;
}

static bool is_free(const struct exchanger *exchanger, uint64_t now_ms)
{
	return exchanger_next_ms(exchanger, now_ms) == 0;
}

struct exchanger *lane_sends_to(const struct lane *lane, uint64_t now_ms)
{
	struct exchanger *best = NULL;

	LIST_EACH (link, &lane->exchangers) {
		struct exchanger *exchanger = exchanger_of(link);

		if (best && best->preference < exchanger->preference)
			break;
		if (exchanger->idle && is_free(exchanger, now_ms) && (!best || exchanger->turn < best->turn))
			best = exchanger;
	}
	return best;
}

/* Connections that could take mail now, or soon, without another one being made. */
static unsigned connections_at_hand(const struct lane *lane, uint64_t now_ms)
{
	unsigned n = 0;

	LIST_EACH (link, &lane->exchangers)
		if (is_free(exchanger_of(link), now_ms))
			n += exchanger_of(link)->idle + exchanger_of(link)->opening;
	return n;
}

/* More is queued than is here: the latest lease left some, or a list that could be leased from waits its turn. */
static bool has_plenty(const struct lane *lane)
{
	return lane->plenty || fair_has_turn(&lane->site->bulk);
}

/* Is a further connection of use to the lane as a whole? */
static bool wants_more(const struct lane *lane, uint64_t now_ms)
{
	unsigned have = lane->open + lane->opening, at_hand = connections_at_hand(lane, now_ms);
	unsigned work = lane->nready + lane->inflight;

	if (have >= lane->limits->connections || at_hand >= lane->nready)
		return false;
	if (lane->nurgent > at_hand)
		return true;
	if (have - lane->idle >= lane_bulk_connections(lane))
		return false;
	/* A connection for every few messages: reuse is kinder than a crowd. Only where there is more mail than may lie
	 * here are all to be used, one after the other. */
	return (at_hand == 0 && has_plenty(lane)) || have < (work + MESSAGES_A_CONNECTION - 1) / MESSAGES_A_CONNECTION;
}

/* One that is paced needs a connection only if it has none to send the next message on. */
static bool wants_one(const struct exchanger *exchanger, bool lane_wants_more, const struct lane *lane)
{
	if (!exchanger_is_paced(exchanger))
		return lane_wants_more;
	return exchanger->idle + exchanger->opening == 0 && lane->nready > lane->opening &&
	       lane->open + lane->opening < lane->limits->connections;
}

struct exchanger *lane_connects_to(const struct lane *lane, const struct exchanger *except, uint64_t now_ms)
{
	struct exchanger *best = NULL;
	bool more = except || wants_more(lane, now_ms);
	unsigned worse_from = UINT32_MAX; /* from this preference on they are not asked: a better one is content */

	LIST_EACH (link, &lane->exchangers) {
		struct exchanger *exchanger = exchanger_of(link);

		if (exchanger->gone || exchanger == except)
			continue;
		if ((best && best->preference < exchanger->preference) || exchanger->preference >= worse_from)
			break;
		if (is_free(exchanger, now_ms) && exchanger_admits(exchanger, now_ms) &&
		    (except || wants_one(exchanger, more, lane))) {
			if (!best || exchanger->turn < best->turn)
				best = exchanger;
		} else if (!exchanger_is_choosy(exchanger, now_ms) && !except) {
			worse_from = exchanger->preference + 1;
		}
	}
	return best;
}

void lane_reroute(struct lane *lane, struct exchanger *from, struct exchanger *to)
{
	CHECK(from->opening > 0);
	CHECK(from->lane == lane && to->lane == lane);
	from->opening--;
	to->opening++;
	to->turn = ++lane->turns;
}

/* Failures in a row stay counted: one connection finds out whether it is true, and if not, the next rest is as long as
 * it would have been. */
void lane_wake(struct lane *lane)
{
	lane->rest_until_ms = 0;
	free(lane->senders);
	lane->senders = NULL;
	LIST_EACH (link, &lane->exchangers)
		exchanger_of(link)->rest_until_ms = 0;
}
