/* Sites are made when the first domain is routed to them and forgotten when nothing of them is left. */
#include "scheduler/book.h"

#include "base/check.h"

#include <stdlib.h>

void book_lanes(struct site *site, const struct site_spec *spec)
{
	for (unsigned i = 0; i < site->nlanes && i < spec->nlanes; i++)
		lane_limit(site->lanes[i], &spec->limits[i]);
	if (spec->nlanes <= site->nlanes)
		return;
	site->lanes = realloc(site->lanes, spec->nlanes * sizeof(struct lane *));
	CHECK(site->lanes != NULL);
	for (unsigned i = site->nlanes; i < spec->nlanes; i++) {
		site->lanes[i] = malloc(sizeof(struct lane));
		CHECK(site->lanes[i] != NULL);
		lane_init(site->lanes[i], site, i, &spec->limits[i]);
	}
	site->nlanes = spec->nlanes;
}

void book_free_site(struct site *site)
{
	for (unsigned i = 0; i < site->nlanes; i++)
		free(site->lanes[i]);
	free(site->lanes);
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
		    lane_is_resting(lane, now_ms))
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
