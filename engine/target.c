/* From configuration and routes to a site with its lanes: one lane for each source of the pool that holds. */
#include "target.h"

#include "home.h"

#include "base/check.h"

#include <stdlib.h>

/* The sources mail to this domain goes out from; one NULL when none is configured. */
static const struct config_source **sources_for(const struct config *config, const struct limits *limits,
						unsigned *count)
{
	const struct config_pool *pool = config_pool_named(config, limits->pool);
	unsigned n = pool ? pool->nsources : config->nsources;
	const struct config_source **sources = calloc(n ? n : 1, sizeof(*sources));

	CHECK(sources != NULL);
	for (unsigned i = 0; i < n; i++)
		sources[i] = pool ? config_source_named(config, pool->sources[i].source) : &config->sources[i];
	*count = n ? n : 1;
	return sources;
}

static unsigned limit_or(int limit, unsigned otherwise)
{
	return limit > 0 ? (unsigned)limit : otherwise;
}

static struct lane_limits lane_limits_of(const struct limits *limits)
{
	struct lane_limits lane = {
		.connections = limit_or(limits->connections, 1000),
		.messages_per_connection = limit_or(limits->messages_per_connection, UINT16_MAX),
		.recipients_per_message = limit_or(limits->recipients_per_message, 100),
		.window = limit_or(limits->window, 1),
		.rate_count = limits->rate.count,
		.rate_period_ms = limits->rate.period_ms,
		.rate_burst = limits->rate.burst,
		.weight = 1,
		.reserved = 1,
		.learning = true,
		.retry = {.nsteps = limits->retry.nsteps, .jitter_percent = limit_or(limits->jitter_percent, 0)},
	};

	for (unsigned i = 0; i < limits->retry.nsteps && i < RETRY_MAX; i++)
		lane.retry.step_ms[i] = limits->retry.step_ms[i];
	return lane;
}

static void target_refresh(struct worker *worker, struct target *target, const struct limits *limits,
			   struct routes *routes)
{
	if (target->routes)
		routes_free(target->routes);
	target->routes = routes;
	target->unroutable = routes->result != ROUTES_FOUND;
	target->limits = config_session_limits(limits);
	target->connect_s = limit_or(limits->timeout_s[TIMEOUT_CONNECT], 30);
	target->answered_ms = worker_now_ms(worker);
}

struct site *target_site(struct worker *worker, struct slice domain, struct routes *routes)
{
	const struct config *config = worker->config;
	const struct config_site *configured = config_site_of(config, domain, routes->hosts, routes->nhosts);
	struct slice site_name = configured ? configured->name : SLICE_NONE;
	struct lane_limits lanes[64];
	struct limits limits = config_limits(config, domain, site_name, SLICE_NONE, NULL);
	struct outbuf name = {0};
	unsigned nsources;
	const struct config_source **sources = sources_for(config, &limits, &nsources);

	CHECK(nsources <= sizeof(lanes) / sizeof(lanes[0]));
	for (unsigned i = 0; i < nsources; i++) {
		struct limits own =
			config_limits(config, domain, site_name, sources[i] ? sources[i]->name : SLICE_NONE, NULL);

		lanes[i] = lane_limits_of(&own);
	}
	home_site_name(config, domain, routes, &name);
	struct site_spec spec = {
		.name = outbuf_slice(&name),
		.limits = lanes,
		.nlanes = nsources,
		.sources = UINT64_MAX,
		.routes_until_ms = routes->expires_ms,
		.unroutable = routes->result != ROUTES_FOUND,
	};
	struct site *site = scheduler_routed(worker->scheduler, domain, &spec, worker_now_ms(worker));
	struct target *target = site->target;

	if (!target) {
		target = calloc(1, sizeof(*target));
		CHECK(target != NULL);
		site->target = target;
		target->config = config;
		target->sources = sources;
		target->nsources = nsources;
	} else {
		free(sources);
	}
	target_refresh(worker, target, &limits, routes);
	outbuf_free(&name);
	return site;
}

void target_free(struct site *site)
{
	struct target *target = site->target;

	if (!target)
		return;
	if (target->routes)
		routes_free(target->routes);
	free(target->sources);
	free(target);
	site->target = NULL;
}
