/* The key of a set is the set itself, in the memory of its entry. */
#include "scheduler/lane_limits.h"

#include "base/check.h"

#include <stdlib.h>

struct limits_set {
	struct map_node node; /* by the bytes of limits */
	struct lane_limits limits;
	unsigned nlanes;
};

static struct slice bytes_of(const struct lane_limits *limits)
{
	return (struct slice){(const char *)limits, offsetof(struct lane_limits, ended) + sizeof(limits->ended)};
}

const struct lane_limits *lane_limits_hold(struct map *sets, const struct lane_limits *limits)
{
	struct map_node *node = map_find(sets, bytes_of(limits));
	struct limits_set *set = node ? MAP_OWNER(node, struct limits_set, node) : calloc(1, sizeof(*set));

	CHECK(set != NULL);
	if (!node) {
		set->limits = *limits;
		map_add(sets, &set->node, bytes_of(&set->limits));
	}
	set->nlanes++;
	return &set->limits;
}

void lane_limits_drop(struct map *sets, const struct lane_limits *limits)
{
	struct limits_set *set = MAP_OWNER(limits, struct limits_set, limits);

	CHECK(set->nlanes > 0);
	if (--set->nlanes)
		return;
	map_remove(sets, &set->node);
	free(set);
}
