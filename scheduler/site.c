/* Sites are made when the first domain is routed to them and forgotten when nothing of them is left. */
#include "scheduler/book.h"

#include "base/check.h"

#include <stdlib.h>

/* New limits, and other exchangers if its source has another kind of address now. */
static void limit_lane(struct lane *lane, const struct lane_limits *limits)
{
	bool same_family = lane->limits.family == limits->family;

	lane_limit(lane, limits);
	if (!same_family && !list_is_empty(&lane->exchangers))
		lane_route(lane, lane->site->exchangers, lane->site->nexchangers);
}

/* The limits of a lane, and those that it shares with other lanes and other sites. */
static struct lane_limits shared_limits(struct site *site, const struct site_spec *spec, unsigned i)
{
	struct lane_limits limits = spec->limits[i];
	struct namesakes *namesakes = site->namesakes;

	CHECK(limits.nbudgets + 2 <= LANE_BUDGETS_MAX);
	limits.budgets[limits.nbudgets++] = namesakes ? &namesakes->total : &site->total;
	if (namesakes)
		limits.budgets[limits.nbudgets++] = namesakes->sources[i];
	return limits;
}

static void limit_shared(struct site *site, const struct site_spec *spec)
{
	if (site->namesakes)
		namesakes_limit(site->namesakes, spec);
	else
		budget_limit(&site->total, spec->total_rate.count, spec->total_rate.period_ms, spec->total_rate.burst,
			     spec->total_connections);
}

void book_lanes(struct site *site, const struct site_spec *spec)
{
	limit_shared(site, spec);
	if (spec->nlanes > site->nlanes) {
		site->lanes = realloc(site->lanes, spec->nlanes * sizeof(struct lane *));
		CHECK(site->lanes != NULL);
	}
	for (unsigned i = 0; i < spec->nlanes; i++) {
		struct lane_limits limits = shared_limits(site, spec, i);

		if (i < site->nlanes) {
			limit_lane(site->lanes[i], &limits);
		} else {
			site->lanes[i] = malloc(sizeof(struct lane));
			CHECK(site->lanes[i] != NULL);
			lane_init(site->lanes[i], site, i, &limits);
		}
	}
	if (spec->nlanes > site->nlanes)
		site->nlanes = spec->nlanes;
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

static void free_routes(struct site *site)
{
	for (unsigned i = 0; i < site->nexchangers; i++)
		free((char *)site->exchangers[i].address.ptr);
	free(site->exchangers);
}

void book_routes(struct site *site, const struct site_spec *spec)
{
	if (routes_are(site, spec))
		return;
	free_routes(site);
	site->nexchangers = spec->nexchangers;
	site->exchangers = calloc(spec->nexchangers + 1, sizeof(*site->exchangers));
	CHECK(site->exchangers != NULL);
	for (unsigned i = 0; i < spec->nexchangers; i++) {
		site->exchangers[i] = spec->exchangers[i];
		site->exchangers[i].address.ptr = slice_copy(spec->exchangers[i].address);
	}
	for (unsigned i = 0; i < site->nlanes; i++)
		if (!list_is_empty(&site->lanes[i]->exchangers))
			lane_route(site->lanes[i], site->exchangers, site->nexchangers);
}

void book_free_site(struct site *site)
{
	for (unsigned i = 0; i < site->nlanes; i++) {
		lane_clear(site->lanes[i]);
		free(site->lanes[i]);
	}
	free(site->lanes);
	free_routes(site);
	list_remove(&site->in_line);
	if (site->namesakes)
		namesakes_drop(site->namesakes);
	free((char *)site->key.ptr);
	free(site);
}

struct site *book_site(struct scheduler *scheduler, const struct site_spec *spec)
{
	struct slice key = spec->key.len ? spec->key : spec->name;
	struct map_node *node = map_find(&scheduler->sites, key);

	if (node)
		return MAP_OWNER(node, struct site, node);
	struct site *site = calloc(1, sizeof(*site));

	CHECK(site != NULL && spec->nlanes > 0);
	CHECK(slice_starts(key, spec->name));
	site->key = (struct slice){slice_copy(key), key.len};
	site->name = slice_head(site->key, spec->name.len);
	site->namesakes = spec->key.len ? namesakes_hold(scheduler, spec->name) : NULL;
	budget_init(&site->total, 0, 0, 0, 0);
	list_init(&site->attention);
	list_init(&site->starved);
	list_init(&site->in_line);
	book_lanes(site, spec);
	map_add(&scheduler->sites, &site->node, site->key);
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
