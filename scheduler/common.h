/* Common: what sites of one name have in common, on whatever worker they are. Their limits are counted here: per source
 * and over all sources. Workers that serve one name at the same time (its *parts*) so never do more together than one
 * of them might alone, and none of them waits for a word of another: budgets are atomic (budget.h).
 *
 *     common = common_hold(commons, name);                  found by its name, or made
 *     common_limit(commons, common, &terms);                the limits of now
 *     budget_take(&common->sources[i]->budget, n, now);     by any thread
 *     common_drop(commons, common);                         gone with its last holder, and what was counted with it
 *
 * So that one part does not keep all connections, whoever has fewer than its share and finds none left says so, and
 * whoever has more closes some (namesakes.h). Rates need no shares: whoever comes first when one is due has it.
 *
 * All zero is an empty and valid registry. */
#pragma once

#include "scheduler/budget.h"

#include "base/map.h"

#include <pthread.h>

struct site_terms;

struct common_source {
	struct budget budget;	/* recipients and connections of its lanes */
	struct budget connects; /* connections opened */
};

struct common {
	struct map_node node;		/* by name, of the same memory */
	unsigned nholders;		/* under the lock */
	struct budget total;		/* over all sources */
	struct common_source **sources; /* owned array of owned, under the lock; one never moves */
	unsigned nsources;
	struct common *next_split;  /* under the lock, while it has several parts */
	_Atomic unsigned parts;	    /* workers that serve it; 0 counts as 1 */
	_Atomic uint64_t wanted_ms; /* a part below its share found no connection left; 0: none did */
	_Atomic uint64_t choosy_ms; /* some part found the receiver so; 0: none did */
	char text[];		    /* its name */
};

struct commons {
	pthread_mutex_t lock; /* of the map and of the sources */
	struct map by_name;
	struct common *split;	 /* the first of those with several parts, under the lock */
	_Atomic unsigned nsplit; /* how many they are */
	_Atomic unsigned merges; /* times that one had fewer parts than before */
};

struct common *common_hold(struct commons *commons, struct slice name);
void common_drop(struct commons *commons, struct common *common);
/* What was taken and what is open stay counted. */
void common_limit(struct commons *commons, struct common *common, const struct site_terms *terms);
struct common_source *common_source_of(struct commons *commons, struct common *common, unsigned source);
/* Nobody may hold anything any more. */
void commons_free(struct commons *commons);

/* From now on so many workers serve it. */
void common_split(struct commons *commons, struct common *common, unsigned parts);
/* At least 1. */
unsigned common_parts(const struct common *common);
/* Calls each with the name of one that has several parts, under a lock: it calls nothing of this page. */
void commons_each_split(struct commons *commons, void (*each)(void *who, struct slice name), void *who);
/* Of the name, held by anybody or not. Costs nothing while no name is split. */
unsigned commons_parts(struct commons *commons, struct slice name);
