/* Slots are few and looked through from the front. Budgets are made once and only get new limits later, since lanes on
 * any worker point at them; a tenant that is gone from the configuration keeps an unlimited one, for mail that is still
 * queued for it. */
#include "axes.h"

#include "config_keys.h"

#include "base/check.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

struct axis_tenant {
	struct map_node node;	/* by name, which is of the same memory */
	struct budget budget;	/* recipients and connections */
	struct budget connects; /* connections opened */
};

static unsigned amount(int limit)
{
	return limit > 0 ? (unsigned)limit : 0;
}

static void set_limits(struct budget *budget, const struct limits *limits)
{
	budget_limit(budget, limits->rate.count, limits->rate.period_ms, limits->rate.burst,
		     amount(limits->connections));
}

static void set_opening(struct budget *connects, const struct rate *rate)
{
	budget_limit(connects, rate->count, rate->period_ms, rate->burst, 0);
}

/* The slot of that name; an unused one, else one that this configuration does not use. */
static unsigned slot_for(struct axes *axes, const struct config *config, const char *name)
{
	unsigned spare = CONFIG_SOURCES_MAX;

	for (unsigned i = 0; i < CONFIG_SOURCES_MAX; i++)
		if (axes->sources[i].name && strcmp(axes->sources[i].name, name) == 0)
			return i;
	for (unsigned i = CONFIG_SOURCES_MAX; i-- > 0;)
		if (!axes->sources[i].name)
			spare = i;
	for (unsigned i = CONFIG_SOURCES_MAX; spare == CONFIG_SOURCES_MAX && i-- > 0;)
		if (!config_source_named(config, slice_of(axes->sources[i].name)))
			spare = i;
	CHECK(spare < CONFIG_SOURCES_MAX); /* config_check allows no more sources than there are slots */
	free(axes->sources[spare].name);
	axes->sources[spare].name = slice_copy(slice_of(name));
	return spare;
}

static void place(struct axes *axes, struct config *config, struct slice name, struct config_source *source)
{
	struct limits none = limits_unset();
	char *text = slice_copy(name);
	unsigned slot = slot_for(axes, config, text);
	const struct limits *limits = source ? &source->limits : &none;

	free(text);
	if (source)
		source->slot = slot;
	config->slots[slot] = (struct config_slot){true, source};
	config->nslots = slot >= config->nslots ? slot + 1 : config->nslots;
	set_limits(&axes->sources[slot].budget, limits);
	set_opening(&axes->sources[slot].connects, &limits->connection_rate);
}

static struct axis_tenant *tenant_of(struct axes *axes, struct slice name)
{
	struct map_node *node = map_find(&axes->tenants, name);

	if (node)
		return MAP_OWNER(node, struct axis_tenant, node);
	struct axis_tenant *tenant = calloc(1, sizeof(*tenant) + name.len);

	CHECK(tenant != NULL);
	memcpy(tenant + 1, name.ptr, name.len);
	map_add(&axes->tenants, &tenant->node, (struct slice){(char *)(tenant + 1), name.len});
	return tenant;
}

static void limit_tenant(struct axis_tenant *tenant, const struct limits *limits)
{
	set_limits(&tenant->budget, limits);
	set_opening(&tenant->connects, &limits->connection_rate);
}

static void follow_tenants(struct axes *axes, const struct config *config)
{
	const struct limits none = limits_unset();

	pthread_mutex_lock(&axes->lock);
	MAP_EACH (node, &axes->tenants)
		limit_tenant(MAP_OWNER(node, struct axis_tenant, node), &none);
	for (unsigned i = 0; i < config->ntenants; i++)
		limit_tenant(tenant_of(axes, config->tenants[i].name), &config->tenants[i].limits);
	pthread_mutex_unlock(&axes->lock);
}

void axes_follow(struct axes *axes, struct config *config)
{
	memset(config->slots, 0, sizeof(config->slots));
	config->nslots = 0;
	for (unsigned i = 0; i < config->nsources; i++)
		place(axes, config, config->sources[i].name, &config->sources[i]);
	if (config->nsources == 0)
		place(axes, config, SLICE(""), NULL);
	follow_tenants(axes, config);
}

void axes_free(struct axes *axes)
{
	for (unsigned i = 0; i < CONFIG_SOURCES_MAX; i++)
		free(axes->sources[i].name);
	MAP_EACH (node, &axes->tenants)
		free(MAP_OWNER(node, struct axis_tenant, node));
	map_free(&axes->tenants);
}

struct budget *axes_source(struct axes *axes, unsigned slot)
{
	CHECK(slot < CONFIG_SOURCES_MAX);
	return &axes->sources[slot].budget;
}

struct budget *axes_connects(struct axes *axes, unsigned slot)
{
	CHECK(slot < CONFIG_SOURCES_MAX);
	return &axes->sources[slot].connects;
}

void axes_source_away(struct axes *axes, const struct config_source *source, bool is_away)
{
	if (atomic_load_explicit(&axes->sources[source->slot].is_away, memory_order_relaxed) == is_away ||
	    atomic_exchange(&axes->sources[source->slot].is_away, is_away) == is_away)
		return;
	if (is_away)
		log_warning("source %s: %.*s is not an address of this machine; its mail goes by other sources of its "
			    "pool or waits, and it is tried again each half minute",
			    LOG_TEXT(source->name), SLICE_ARG(source->ip));
	else
		log_info("source %s: %.*s is an address of this machine again", LOG_TEXT(source->name),
			 SLICE_ARG(source->ip));
}

bool axes_source_is_away(struct axes *axes, unsigned slot)
{
	CHECK(slot < CONFIG_SOURCES_MAX);
	return atomic_load_explicit(&axes->sources[slot].is_away, memory_order_relaxed);
}

bool axes_tenant_terms(struct axes *axes, const struct config *config, struct slice tenant, struct tenant_terms *terms)
{
	const struct config_tenant *configured = config_tenant_named(config, tenant);

	if (!configured)
		return false;
	pthread_mutex_lock(&axes->lock);
	struct axis_tenant *counted = tenant_of(axes, tenant);

	*terms = (struct tenant_terms){
		.weight = configured->weight,
		.budget = &counted->budget,
		.connects = &counted->connects,
		.sources = configured->npools ? axes_pool(config, configured->pools[0]) : 0,
	};
	pthread_mutex_unlock(&axes->lock);
	return true;
}

uint64_t axes_pool(const struct config *config, struct slice name)
{
	const struct config_pool *pool = name.len ? config_pool_named(config, name) : NULL;
	uint64_t sources = 0;

	for (unsigned i = 0; pool && i < pool->nsources; i++)
		sources |= 1ull << config_source_named(config, pool->sources[i].source)->slot;
	return sources;
}

uint64_t axes_all(const struct config *config)
{
	uint64_t sources = 0;

	for (unsigned i = 0; i < config->nslots; i++)
		if (config->slots[i].is_used)
			sources |= 1ull << i;
	return sources;
}
