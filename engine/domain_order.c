/* A counting sort: how many each domain has, where it begins, and then everybody to his place. */
#include "domain_order.h"

#include "base/check.h"
#include "base/map.h"

#include <stdlib.h>

struct group {
	struct map_far node;  /* by domain */
	unsigned count, next; /* where its next recipient goes */
};

static struct group *group_of(struct map *map, struct group *fresh, struct slice domain)
{
	struct map_node *node = map_find(map, domain);

	if (node)
		return MAP_OWNER(node, struct group, node);
	map_add_far(map, &fresh->node, domain);
	return fresh;
}

unsigned *domain_order(const struct job *job)
{
	unsigned *order = calloc(job->nrecipients + 1, sizeof(*order));
	struct group *groups = calloc(job->nrecipients + 1, sizeof(*groups));
	unsigned *belongs = calloc(job->nrecipients + 1, sizeof(*belongs)), ngroups = 0, next = 0;
	struct map map = {0};

	CHECK(order != NULL && groups != NULL && belongs != NULL);
	for (unsigned i = 0; i < job->nrecipients; i++) {
		struct group *group = group_of(&map, &groups[ngroups], job->recipients[i].domain);

		belongs[i] = (unsigned)(group - groups);
		ngroups += belongs[i] == ngroups;
		group->count++;
	}
	for (unsigned i = 0; i < ngroups; i++) {
		groups[i].next = next;
		next += groups[i].count;
	}
	for (unsigned i = 0; i < job->nrecipients; i++)
		order[groups[belongs[i]].next++] = i;
	map_free(&map);
	free(belongs);
	free(groups);
	return order;
}
