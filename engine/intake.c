/* Two gates, and what the configuration says, copied for each of them: a configuration may go while a gate still turns
 * under it, and a copy is simpler than a count. */
#include "intake.h"

#include "gate.h"

#include "base/check.h"

#include <stdlib.h>

struct intake {
	struct gate *now, *ordinary;
	struct arena arena; /* the prefix */
};

static const struct slice *copy_list(struct arena *arena, const struct slice *list, unsigned n)
{
	struct slice *copy = arena_alloc(arena, (n + 1) * sizeof(*copy));

	for (unsigned i = 0; i < n; i++)
		copy[i] = arena_copy(arena, list[i]);
	return copy;
}

static void copy_tenants(struct rules *rules, const struct config *config)
{
	struct arena *arena = &rules->arena;
	struct rights_tenant *tenants = arena_alloc(arena, (config->ntenants + 1) * sizeof(*tenants));
	struct slice *streams = arena_alloc(arena, (config->ntenants + 1) * sizeof(*streams));
	unsigned *weights = arena_alloc(arena, (config->ntenants + 1) * sizeof(*weights));

	for (unsigned i = 0; i < config->ntenants; i++) {
		const struct config_tenant *tenant = &config->tenants[i];

		tenants[i] = (struct rights_tenant){
			.name = arena_copy(arena, tenant->name),
			.from = copy_list(arena, tenant->from, tenant->nfrom),
			.nfrom = tenant->nfrom,
			.pools = copy_list(arena, tenant->pools, tenant->npools),
			.npools = tenant->npools,
		};
		if (!tenant->jobs)
			continue;
		streams[rules->ntenants] = tenants[i].name;
		weights[rules->ntenants++] = tenant->weight;
	}
	rules->limits.rights.tenants = tenants;
	rules->limits.rights.ntenants = config->ntenants;
	rules->tenants = streams;
	rules->weights = weights;
}

static struct rules *rules_from(const struct config *config)
{
	struct arena arena = {0};
	struct rules *rules = arena_alloc(&arena, sizeof(*rules));

	*rules = (struct rules){.arena = arena};
	rules->hostname = arena_copy(&rules->arena, config->hostname);
	rules->high_water = config->queue.high_water;
	rules->limits = (struct job_limits){
		.recipients_max = config->queue.recipients_max,
		.message_bytes_max = config->queue.message_bytes_max,
		.variables_bytes_max = config->queue.variables_bytes_max,
		.expires_after_ms = config->queue.expires_after_ms,
	};
	struct slice *pools = arena_alloc(&rules->arena, (config->npools + 1) * sizeof(*pools));

	for (unsigned i = 0; i < config->npools; i++)
		pools[i] = arena_copy(&rules->arena, config->pools[i].name);
	rules->limits.rights.pools = pools;
	rules->limits.rights.npools = config->npools;
	copy_tenants(rules, config);
	return rules;
}

struct intake *intake_start(const struct config *config, const struct redis_server *server, struct slice instance,
			    struct stats *stats)
{
	struct intake *intake = calloc(1, sizeof(*intake));

	CHECK(intake != NULL);
	struct gate_setup setup = {.server = *server,
				   .prefix = arena_copy(&intake->arena, config->redis.prefix),
				   .instance = instance,
				   .transactional = true,
				   .stats = stats};

	intake->now = gate_start(&setup, rules_from(config));
	setup.transactional = false;
	if (intake->now)
		intake->ordinary = gate_start(&setup, rules_from(config));
	if (intake->ordinary)
		return intake;
	intake_stop(intake);
	return NULL;
}

void intake_configure(struct intake *intake, const struct config *config)
{
	gate_configure(intake->now, rules_from(config));
	gate_configure(intake->ordinary, rules_from(config));
}

void intake_stop(struct intake *intake)
{
	if (intake->now)
		gate_stop(intake->now);
	if (intake->ordinary)
		gate_stop(intake->ordinary);
	arena_free(&intake->arena);
	free(intake);
}
