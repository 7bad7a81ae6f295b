/* Sites are made when the first domain is routed to them, get their traffic before the first lease, and are forgotten
 * when nothing of them is left. */
#include "scheduler/book.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

/* What all its lanes together may, or all sites of its name. */
static void limit_total(struct site *site)
{
	const struct site_terms *terms = &site->limits->terms;
	const struct pace_limit *rate = &terms->total_rate;
	struct traffic *traffic = site->traffic;

	if (traffic->namesakes)
		namesakes_limit(traffic->namesakes, terms->named ? &terms->named->terms : terms);
	if (traffic->namesakes && site->standing == SITE_ORDINARY)
		return;
	if (!traffic->total && rate->count == 0 && terms->total_connections == 0)
		return;
	if (!traffic->total) {
		traffic->total = malloc(sizeof(*traffic->total));
		CHECK(traffic->total != NULL);
		budget_init(traffic->total, 0, 0, 0, 0);
	}
	budget_limit(traffic->total, rate->count, rate->period_ms, rate->burst, (unsigned)terms->total_connections);
}

/* New limits, and other exchangers if its source has another kind of address now. */
static void limit_lane(struct lane *lane, const struct lane_limits *limits)
{
	bool same_family = lane->limits->family == limits->family;

	lane_limit(lane, limits);
	if (!same_family && !list_is_empty(&lane->exchangers))
		lane_follow(lane);
}

static struct lane *new_lane(struct site *site, unsigned source, const struct lane_limits *limits)
{
	struct lane *lane = malloc(sizeof(*lane));

	CHECK(lane != NULL);
	lane_init(lane, site, source, limits);
	return lane;
}

/* Those there are get their limits, and more are made if there are more sources. */
static void limit_lanes(struct site *site)
{
	const struct site_terms *terms = &site->limits->terms;

	if (terms->nlanes > site->nlanes) {
		site->lanes = realloc(site->lanes, terms->nlanes * sizeof(struct lane *));
		CHECK(site->lanes != NULL);
	}
	for (unsigned i = 0; i < terms->nlanes; i++)
		if (i < site->nlanes)
			limit_lane(site->lanes[i], terms->lanes[i]);
		else
			site->lanes[i] = new_lane(site, i, terms->lanes[i]);
	if (terms->nlanes > site->nlanes)
		site->nlanes = (uint8_t)terms->nlanes;
}

void book_limits(struct scheduler *scheduler, struct site *site, const struct site_spec *spec)
{
	const struct site_limits *before = site->limits;

	site->limits = site_limits_hold(scheduler, spec);
	CHECK(site->limits->terms.nlanes >= site->nlanes);
	if (site->traffic) {
		limit_total(site);
		limit_lanes(site);
	}
	if (before)
		site_limits_drop(before);
}

void site_open(struct site *site)
{
	struct scheduler *scheduler = site->limits->scheduler;
	struct traffic *traffic;

	if (site->traffic)
		return;
	traffic = site->traffic = calloc(1, sizeof(*traffic));
	CHECK(traffic != NULL);
	traffic->site = site;
	if (site_shares_name(site))
		traffic->namesakes = namesakes_hold(scheduler, site_name(site), &traffic->of_name);
	timer_init(&traffic->timer, book_site_due);
	list_init(&traffic->in_line);
	list_init(&traffic->unopened);
	limit_total(site);
	limit_lanes(site);
}

struct exchanger_spec site_exchanger(const struct site *site, unsigned i)
{
	const struct way *way = &site->ways[i];
	const char *texts = (const char *)(site->ways + site->nways);

	return (struct exchanger_spec){.address = {texts + way->text_at, way->text_len},
				       .preference = way->preference,
				       .route = way->route,
				       .family = way->family};
}

static bool routes_are(const struct site *site, const struct site_spec *spec)
{
	bool same = site->nways == spec->nexchangers;

	for (unsigned i = 0; same && i < spec->nexchangers; i++)
		same = slice_is(site_exchanger(site, i).address, spec->exchangers[i].address) &&
		       site->ways[i].preference == spec->exchangers[i].preference &&
		       site->ways[i].route == spec->exchangers[i].route;
	return same;
}

/* Room for as many, and for their texts behind them. */
static struct way *new_ways(const struct site_spec *spec)
{
	size_t size = spec->nexchangers * sizeof(struct way);

	for (unsigned i = 0; i < spec->nexchangers; i++)
		size += spec->exchangers[i].address.len;
	struct way *ways = malloc(size + 1);

	CHECK(ways != NULL && size <= UINT16_MAX);
	return ways;
}

void book_routes(struct site *site, const struct site_spec *spec)
{
	if (routes_are(site, spec))
		return;
	free(site->ways);
	site->ways = new_ways(spec);
	site->nways = (uint16_t)spec->nexchangers;
	char *texts = (char *)(site->ways + site->nways);
	uint16_t at = 0;

	for (unsigned i = 0; i < spec->nexchangers; i++) {
		const struct exchanger_spec *exchanger = &spec->exchangers[i];
		struct slice address = exchanger->address;

		CHECK(address.len <= UINT8_MAX && exchanger->family <= UINT8_MAX);
		site->ways[i] = (struct way){.preference = exchanger->preference,
					     .route = exchanger->route,
					     .text_at = at,
					     .text_len = (uint8_t)address.len,
					     .family = (uint8_t)exchanger->family};
		if (address.len)
			memcpy(texts + at, address.ptr, address.len);
		at = (uint16_t)(at + address.len);
	}
	for (unsigned i = 0; i < site->nlanes; i++)
		if (!list_is_empty(&site->lanes[i]->exchangers))
			lane_follow(site->lanes[i]);
}

static void free_traffic(struct site *site)
{
	struct traffic *traffic = site->traffic;

	for (unsigned i = 0; i < site->nlanes; i++) {
		lane_clear(site->lanes[i]);
		free(site->lanes[i]);
	}
	free(site->lanes);
	timer_stop(&site->limits->scheduler->wheel, &traffic->timer);
	list_remove(&traffic->in_line);
	list_remove(&traffic->unopened);
	if (traffic->namesakes)
		namesakes_drop(traffic->namesakes, &traffic->of_name);
	free(traffic->total);
	free(traffic);
}

void book_free_site(struct site *site)
{
	if (site->traffic)
		free_traffic(site);
	site_limits_drop(site->limits);
	free(site->ways);
	free(site);
}

struct site *book_site(struct scheduler *scheduler, const struct site_spec *spec)
{
	struct slice key = spec->key.len ? spec->key : spec->name;
	struct map_node *node = map_find(&scheduler->sites, key);

	if (node)
		return MAP_OWNER(node, struct site, node);
	struct site *site = calloc(1, offsetof(struct site, text) + key.len);

	CHECK(site != NULL);
	CHECK(slice_starts(key, spec->name));
	CHECK(spec->name.len <= UINT16_MAX);
	CHECK((spec->standing == SITE_ORDINARY) == (spec->named == NULL));
	memcpy(site->text, key.ptr, key.len);
	site->name_len = (uint16_t)spec->name.len;
	site->standing = (uint8_t)spec->standing;
	list_init(&site->place);
	book_limits(scheduler, site, spec);
	map_add(&scheduler->sites, &site->node, (struct slice){site->text, key.len});
	return site;
}

bool book_forget_site(struct scheduler *scheduler, struct site *site, uint64_t now_ms)
{
	if (site->ndomains)
		return false;
	for (unsigned i = 0; i < site->nlanes; i++) {
		const struct lane *lane = site->lanes[i];

		if (lane->open || lane->opening || lane->nready || lane->preparing || lane->asked || lane->inflight ||
		    lane_is_resting(lane, now_ms) || lane_exchangers_next_ms(lane, now_ms) > now_ms)
			return false;
	}
	if (scheduler->site_gone)
		scheduler->site_gone(site);
	list_remove(&site->place);
	map_remove(&scheduler->sites, &site->node);
	book_free_site(site);
	return true;
}
