/* A map under a lock, which is taken when a site of a new name comes or goes and when one is routed, never for a
 * message or a connection. Limits divided among the parts were rejected: a part without mail would keep its share from
 * the others, and what is open elsewhere would have to be asked for each time the number of parts changes. */
#include "scheduler/common.h"

#include "scheduler/site_limits.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

static struct common *find(const struct commons *commons, struct slice name)
{
	struct map_node *node = map_find(&commons->by_name, name);

	return node ? MAP_OWNER(node, struct common, node) : NULL;
}

struct common *common_hold(struct commons *commons, struct slice name)
{
	struct common *common;

	pthread_mutex_lock(&commons->lock);
	common = find(commons, name);
	if (!common) {
		common = calloc(1, offsetof(struct common, text) + name.len);
		CHECK(common != NULL);
		memcpy(common->text, name.ptr, name.len);
		budget_init(&common->total, 0, 0, 0, 0);
		map_add(&commons->by_name, &common->node, (struct slice){common->text, name.len});
	}
	common->nholders++;
	pthread_mutex_unlock(&commons->lock);
	return common;
}

static void common_free(struct common *common)
{
	for (unsigned i = 0; i < common->nsources; i++)
		free(common->sources[i]);
	free(common->sources);
	free(common);
}

/* Under the lock. */
static void split_remove(struct commons *commons, const struct common *common)
{
	struct common **place = &commons->split;

	while (*place != common)
		place = &(*place)->next_split;
	*place = common->next_split;
	atomic_fetch_sub(&commons->nsplit, 1);
}

static void split_add(struct commons *commons, struct common *common)
{
	common->next_split = commons->split;
	commons->split = common;
	atomic_fetch_add(&commons->nsplit, 1);
}

void common_drop(struct commons *commons, struct common *common)
{
	pthread_mutex_lock(&commons->lock);
	CHECK(common->nholders > 0);
	if (--common->nholders == 0) {
		if (common_parts(common) > 1)
			split_remove(commons, common);
		map_remove(&commons->by_name, &common->node);
		common_free(common);
	}
	pthread_mutex_unlock(&commons->lock);
}

/* Under the lock. */
static void grow(struct common *common, unsigned nsources)
{
	if (nsources <= common->nsources)
		return;
	common->sources = realloc(common->sources, nsources * sizeof(*common->sources));
	CHECK(common->sources != NULL);
	for (; common->nsources < nsources; common->nsources++) {
		struct common_source *source = malloc(sizeof(*source));

		CHECK(source != NULL);
		budget_init(&source->budget, 0, 0, 0, 0);
		budget_init(&source->connects, 0, 0, 0, 0);
		common->sources[common->nsources] = source;
	}
}

void common_limit(struct commons *commons, struct common *common, const struct site_terms *terms)
{
	budget_limit(&common->total, terms->total_rate.count, terms->total_rate.period_ms, terms->total_rate.burst,
		     (unsigned)terms->total_connections);
	pthread_mutex_lock(&commons->lock);
	grow(common, (unsigned)terms->nlanes);
	for (unsigned i = 0; i < terms->nlanes; i++) {
		const struct lane_limits *limits = terms->lanes[i];
		const struct pace_limit *connects = &limits->connection_rate;

		budget_limit(&common->sources[i]->budget, limits->rate_count, limits->rate_period_ms,
			     limits->rate_burst, limits->connections);
		budget_limit(&common->sources[i]->connects, connects->count, connects->period_ms, connects->burst, 0);
	}
	pthread_mutex_unlock(&commons->lock);
}

struct common_source *common_source_of(struct commons *commons, struct common *common, unsigned source)
{
	struct common_source *found;

	pthread_mutex_lock(&commons->lock);
	grow(common, source + 1);
	found = common->sources[source];
	pthread_mutex_unlock(&commons->lock);
	return found;
}

void commons_free(struct commons *commons)
{
	MAP_EACH (node, &commons->by_name)
		common_free(MAP_OWNER(node, struct common, node));
	map_free(&commons->by_name);
}

void common_split(struct commons *commons, struct common *common, unsigned parts)
{
	unsigned before;

	pthread_mutex_lock(&commons->lock);
	before = atomic_exchange(&common->parts, parts);
	if (parts > 1 && before < 2)
		split_add(commons, common);
	else if (parts < 2 && before > 1)
		split_remove(commons, common);
	if (parts < before)
		atomic_fetch_add(&commons->merges, 1);
	pthread_mutex_unlock(&commons->lock);
}

void commons_each_split(struct commons *commons, void (*each)(void *who, struct slice name), void *who)
{
	if (atomic_load_explicit(&commons->nsplit, memory_order_relaxed) == 0)
		return;
	pthread_mutex_lock(&commons->lock);
	for (const struct common *common = commons->split; common; common = common->next_split)
		each(who, map_key(&common->node));
	pthread_mutex_unlock(&commons->lock);
}

unsigned common_parts(const struct common *common)
{
	unsigned parts = atomic_load_explicit(&common->parts, memory_order_relaxed);

	return parts ? parts : 1;
}

unsigned commons_parts(struct commons *commons, struct slice name)
{
	const struct common *common;
	unsigned parts = 1;

	if (atomic_load_explicit(&commons->nsplit, memory_order_relaxed) == 0)
		return 1;
	pthread_mutex_lock(&commons->lock);
	common = find(commons, name);
	if (common)
		parts = common_parts(common);
	pthread_mutex_unlock(&commons->lock);
	return parts;
}
