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

void book_lanes(struct site *site, const struct site_spec *spec)
{
	if (spec->nlanes > site->nlanes) {
		site->lanes = realloc(site->lanes, spec->nlanes * sizeof(struct lane *));
		CHECK(site->lanes != NULL);
	}
	for (unsigned i = 0; i < spec->nlanes; i++) {
		if (i < site->nlanes) {
			limit_lane(site->lanes[i], &spec->limits[i]);
		} else {
			site->lanes[i] = malloc(sizeof(struct lane));
			CHECK(site->lanes[i] != NULL);
			lane_init(site->lanes[i], site, i, &spec->limits[i]);
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
	free((char *)site->name.ptr);
	free(site);
}

struct site *book_site(struct scheduler *scheduler, const struct site_spec *spec)
{
	struct map_node *node = map_find(&scheduler->sites, spec->name);

	if (node)
		return MAP_OWNER(node, struct site, node);
	struct site *site = calloc(1, sizeof(*site));

	CHECK(site != NULL && spec->nlanes > 0);
	site->name = (struct slice){slice_copy(spec->name), spec->name.len};
	list_init(&site->attention);
	list_init(&site->starved);
	book_lanes(site, spec);
	map_add(&scheduler->sites, &site->node, site->name);
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
