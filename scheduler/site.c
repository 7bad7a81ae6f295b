/* Sites are made when the first domain is routed to them and forgotten when nothing of them is left. */
#include "scheduler/book.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { LANES_MAX = 64 /* as many as there are bits in a set of sources */ };

static void limit_total(struct site *site, const struct site_spec *spec)
{
	const struct pace_limit *rate = &spec->total_rate;

	if (site->namesakes)
		namesakes_limit(site->namesakes, spec->named ? spec->named : spec);
	if (site->namesakes && site->standing == SITE_ORDINARY)
		return;
	if (!site->total && rate->count == 0 && spec->total_connections == 0)
		return;
	if (!site->total) {
		site->total = malloc(sizeof(*site->total));
		CHECK(site->total != NULL);
		budget_init(site->total, 0, 0, 0, 0);
	}
	budget_limit(site->total, rate->count, rate->period_ms, rate->burst, spec->total_connections);
}

/* New limits, and other exchangers if its source has another kind of address now. */
static void limit_lane(struct lane *lane, const struct lane_limits *limits)
{
	struct map *sets = &lane->site->scheduler->limits;
	const struct lane_limits *before = lane->limits;
	bool same_family = before->family == limits->family;

	lane_limit(lane, lane_limits_hold(sets, limits));
	lane_limits_drop(sets, before);
	if (!same_family && !list_is_empty(&lane->exchangers))
		lane_route(lane, lane->site->exchangers, lane->site->nexchangers);
}

static struct lane *new_lane(struct site *site, unsigned source, const struct lane_limits *limits)
{
	struct lane *lane = malloc(sizeof(*lane));

	CHECK(lane != NULL);
	lane_init(lane, site, source, lane_limits_hold(&site->scheduler->limits, limits));
	return lane;
}

void book_lanes(struct site *site, const struct site_spec *spec)
{
	limit_total(site, spec);
	CHECK(spec->nlanes <= LANES_MAX);
	if (spec->nlanes > site->nlanes) {
		site->lanes = realloc(site->lanes, spec->nlanes * sizeof(struct lane *));
		CHECK(site->lanes != NULL);
	}
	for (unsigned i = 0; i < spec->nlanes; i++)
		if (i < site->nlanes)
			limit_lane(site->lanes[i], &spec->limits[i]);
		else
			site->lanes[i] = new_lane(site, i, &spec->limits[i]);
	if (spec->nlanes > site->nlanes)
		site->nlanes = (uint8_t)spec->nlanes;
}

static bool routes_are(const struct site *site, const struct site_spec *spec)
{
	bool same = site->nexchangers == spec->nexchangers;

	for (unsigned i = 0; same && i < spec->nexchangers; i++)
		same = slice_is(site->exchangers[i].address, spec->exchangers[i].address) &&
		       site->exchangers[i].preference == spec->exchangers[i].preference &&
		       site->exchangers[i].route == spec->exchangers[i].route;
	return same;
}

/* Room for as many, and for their texts behind them. */
static struct exchanger_spec *new_routes(const struct site_spec *spec)
{
	size_t size = spec->nexchangers * sizeof(struct exchanger_spec);

	for (unsigned i = 0; i < spec->nexchangers; i++)
		size += spec->exchangers[i].address.len;
	struct exchanger_spec *routes = malloc(size + 1);

	CHECK(routes != NULL && spec->nexchangers <= UINT16_MAX);
	return routes;
}

void book_routes(struct site *site, const struct site_spec *spec)
{
	if (routes_are(site, spec))
		return;
	free(site->exchangers);
	site->exchangers = new_routes(spec);
	site->nexchangers = (uint16_t)spec->nexchangers;
	char *text = (char *)(site->exchangers + spec->nexchangers);

	for (unsigned i = 0; i < spec->nexchangers; i++) {
		struct slice address = spec->exchangers[i].address;

		site->exchangers[i] = spec->exchangers[i];
		site->exchangers[i].address.ptr = text;
		if (address.len)
			memcpy(text, address.ptr, address.len);
		text += address.len;
	}
	for (unsigned i = 0; i < site->nlanes; i++)
		if (!list_is_empty(&site->lanes[i]->exchangers))
			lane_route(site->lanes[i], site->exchangers, site->nexchangers);
}

void book_free_site(struct site *site)
{
	for (unsigned i = 0; i < site->nlanes; i++) {
		lane_limits_drop(&site->scheduler->limits, site->lanes[i]->limits);
		lane_clear(site->lanes[i]);
		free(site->lanes[i]);
	}
	free(site->lanes);
	free(site->exchangers);
	free(site->total);
	list_remove(&site->in_line);
	if (site->namesakes)
		namesakes_drop(site->namesakes);
	free(site);
}

struct site *book_site(struct scheduler *scheduler, const struct site_spec *spec)
{
	struct slice key = spec->key.len ? spec->key : spec->name;
	struct map_node *node = map_find(&scheduler->sites, key);

	if (node)
		return MAP_OWNER(node, struct site, node);
	struct site *site = calloc(1, offsetof(struct site, text) + key.len);

	CHECK(site != NULL && spec->nlanes > 0);
	CHECK(slice_starts(key, spec->name));
	CHECK(spec->name.len <= UINT16_MAX);
	CHECK((spec->standing == SITE_ORDINARY) == (spec->named == NULL));
	memcpy(site->text, key.ptr, key.len);
	site->scheduler = scheduler;
	site->name_len = (uint16_t)spec->name.len;
	site->standing = (uint8_t)spec->standing;
	site->namesakes = spec->key.len ? namesakes_hold(scheduler, spec->name) : NULL;
	timer_init(&site->timer, book_site_due);
	list_init(&site->attention);
	list_init(&site->starved);
	list_init(&site->in_line);
	book_lanes(site, spec);
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
	timer_stop(&scheduler->wheel, &site->timer);
	list_remove(&site->attention);
	list_remove(&site->starved);
	map_remove(&scheduler->sites, &site->node);
	book_free_site(site);
	return true;
}
