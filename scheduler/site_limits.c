/* A set holds the sets of its lanes, so that equal ones point at the same, and their addresses are all that is to be
 * compared. Routing makes a set each time and mostly finds it to be there already. */
#include "scheduler/site_limits.h"

#include "scheduler/book.h"

#include "base/check.h"

#include <stdlib.h>

enum { LANES_MAX = 64 /* as many as there are bits in a set of sources */ };

static struct slice bytes_of(const struct site_limits *limits)
{
	return (struct slice){(const char *)&limits->terms,
			      sizeof(limits->terms) + limits->terms.nlanes * sizeof(limits->terms.lanes[0])};
}

static struct site_limits *new_limits(struct scheduler *scheduler, const struct site_spec *spec)
{
	struct site_limits *limits = calloc(1, sizeof(*limits) + spec->nlanes * sizeof(limits->terms.lanes[0]));

	CHECK(limits != NULL && spec->nlanes > 0 && spec->nlanes <= LANES_MAX);
	limits->scheduler = scheduler;
	limits->terms.named = spec->named ? site_limits_hold(scheduler, spec->named) : NULL;
	limits->terms.total_rate = spec->total_rate;
	limits->terms.total_connections = spec->total_connections;
	limits->terms.workers = spec->workers;
	limits->terms.nlanes = spec->nlanes;
	for (unsigned i = 0; i < spec->nlanes; i++)
		limits->terms.lanes[i] = lane_limits_hold(&scheduler->lane_limits, &spec->limits[i]);
	return limits;
}

static void free_limits(struct site_limits *limits)
{
	if (limits->terms.named)
		site_limits_drop(limits->terms.named);
	for (unsigned i = 0; i < limits->terms.nlanes; i++)
		lane_limits_drop(&limits->scheduler->lane_limits, limits->terms.lanes[i]);
	free(limits);
}

const struct site_limits *site_limits_hold(struct scheduler *scheduler, const struct site_spec *spec)
{
	struct site_limits *limits = new_limits(scheduler, spec);
	struct map_node *node = map_find(&scheduler->site_limits, bytes_of(limits));

	if (node) {
		free_limits(limits);
		limits = MAP_OWNER(node, struct site_limits, node);
	} else {
		map_add(&scheduler->site_limits, &limits->node, bytes_of(limits));
	}
	limits->nsites++;
	return limits;
}

void site_limits_drop(const struct site_limits *held)
{
	struct site_limits *limits = MAP_OWNER(&held->node, struct site_limits, node);

	CHECK(limits->nsites > 0);
	if (--limits->nsites)
		return;
	map_remove(&limits->scheduler->site_limits, &limits->node);
	free_limits(limits);
}
