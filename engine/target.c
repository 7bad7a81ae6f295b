/* From configuration and routes to a site with its lanes: one lane for each source there is, in its slot (axes.h).
 * Which of them may carry a mail is a mask of the domain's pool, a tenant's or a job's, so that pools may overlap as
 * they like while each source has one lane, and one reputation, at a site. */
#include "target.h"

#include "conn.h"
#include "directory.h"
#include "host.h"
#include "protection.h"
#include "relay.h"
#include "site_key.h"

#include "base/check.h"

#include <stdlib.h>

static unsigned limit_or(int limit, unsigned otherwise)
{
	return limit > 0 ? (unsigned)limit : otherwise;
}

static struct lane_limits lane_limits_of(const struct limits *limits)
{
	struct lane_limits lane = {
		.connections = limit_or(limits->connections, 1000),
		.messages_per_connection = limit_or(limits->messages_per_connection, UINT16_MAX),
		.reserved = 1,
		.recipients_per_message = limit_or(limits->recipients_per_message, 100),
		.window = limit_or(limits->window, 1),
		.rate_count = limits->rate.count,
		.rate_period_ms = limits->rate.period_ms,
		.rate_burst = limits->rate.burst,
		.connection_rate = {limits->connection_rate.count, limits->connection_rate.period_ms,
				    limits->connection_rate.burst},
		.expires_after_ms = limits->expires_after_ms,
		.learning = limits->learning != 0,
		.retry = {.nsteps = limits->retry.nsteps, .jitter_percent = limit_or(limits->jitter_percent, 0)},
	};

	lane.reserved = limits->reserved >= 0 ? (unsigned)limits->reserved : lane.connections >= 4;
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
	target->tls = limits->tls;
	target->connect_s = limit_or(limits->timeout_s[TIMEOUT_CONNECT], 30);
	target->answered_ms = worker_now_ms(worker);
}

/* The part of a source where the domain's pool shares by weight. A lane has one weight: where the domain has no pool,
 * or a job's or tenant's is used, it is that of the first pool that has the source. */
static unsigned weight_of(const struct config *config, struct slice pool_name, const struct config_source *source)
{
	const struct config_pool *own = config_pool_named(config, pool_name);

	for (unsigned i = 0; source && i <= config->npools; i++) {
		const struct config_pool *pool = i == 0 ? own : &config->pools[i - 1];

		for (unsigned j = 0; pool && j < pool->nsources; j++)
			if (slice_is(pool->sources[j].source, source->name))
				return pool->sources[j].weight;
	}
	return 1;
}

struct plan {
	struct worker *worker;
	const struct config *config;
	struct slice domain, name; /* name: of its site */
	struct slice site;	   /* as configured; empty: none */
	struct limits limits;	   /* of any source */
	struct target *target;
	struct lane_limits lanes[CONFIG_SOURCES_MAX];
	struct lane_limits named[CONFIG_SOURCES_MAX]; /* of all that its name means */
	unsigned nlanes;
};

/* A young source, and who sends what is over for it. */
static void plan_warm_up(const struct plan *plan, const struct config_source *source, struct lane_limits *lane)
{
	struct worker *worker = plan->worker;
	uint64_t now_ms = worker_now_ms(worker);

	lane->warm_up = warm_ups_find(&worker->engine->warm_ups, source, plan->name,
				      (int64_t)(worker_wall_ms(worker) - now_ms));
	if (lane->warm_up && warm_up_is_on(lane->warm_up, now_ms))
		lane->overflow = axes_pool(plan->config, source->warm_up.overflow);
}

/* As the scheduler knows it. */
static unsigned family_of(const struct address *address)
{
	return address->sa.sa_family == AF_INET ? 4 : address->sa.sa_family == AF_INET6 ? 6 : 0;
}

static void plan_lane(struct plan *plan, unsigned slot)
{
	struct axes *axes = &plan->worker->engine->axes;
	const struct config_source *source = plan->config->slots[slot].source;
	struct limits limits = plan->limits;
	struct lane_limits *lane = &plan->lanes[slot];

	if (source && plan->site.len)
		limits = config_limits(plan->config, plan->domain, plan->site, source->name, NULL);
	*lane = lane_limits_of(&limits);
	lane->budgets[0] = axes_source(axes, slot);
	lane->nbudgets = 1;
	lane->connects = axes_connects(axes, slot);
	plan_warm_up(plan, source, lane);
	lane->family = source ? family_of(&source->address) : 0;
	lane->weight = weight_of(plan->config, limits.pool, source);
	lane->ended = !plan->config->slots[slot].is_used;
	plan->target->sources[slot] = source;
}

/* The site of that key, if it is there. */
static struct site *site_keyed(struct worker *worker, struct slice key)
{
	struct map_node *node = map_find(scheduler_sites(worker->scheduler), key);

	return node ? MAP_OWNER(node, struct site, node) : NULL;
}

/* As many lanes as there are slots; a site keeps those it has. */
static void plan_lanes(struct plan *plan, const struct site *site)
{
	struct target *target = plan->target;

	plan->nlanes = plan->config->nslots;
	if (site && site->nlanes > plan->nlanes)
		plan->nlanes = site->nlanes;
	if (target->nsources < plan->nlanes) {
		target->sources = realloc(target->sources, plan->nlanes * sizeof(struct config_source *));
		CHECK(target->sources != NULL);
		target->nsources = plan->nlanes;
	}
	target->config = plan->config;
	for (unsigned i = 0; i < plan->nlanes; i++)
		plan_lane(plan, i);
}

/* One a route, by its address; names is room for those. */
static unsigned exchangers_of(const struct routes *routes, struct exchanger_spec exchangers[ROUTES_MAX],
			      char names[ROUTES_MAX][ADDRESS_TEXT_MAX])
{
	CHECK(routes->nroutes <= ROUTES_MAX);
	for (unsigned i = 0; i < routes->nroutes; i++) {
		struct address address = routes_address(routes, i);

		exchangers[i] = (struct exchanger_spec){
			.address = address_text(&address, names[i]),
			.preference = (uint16_t)routes->route[i].preference,
			.route = (uint16_t)i,
			.family = (uint16_t)family_of(&address),
		};
	}
	return routes->nroutes;
}

static struct target *target_new(const struct worker *worker, struct slice site)
{
	struct target *target = calloc(1, sizeof(*target));

	CHECK(target != NULL);
	if (trusted_has(&worker->engine->trusted, site))
		trust_recall(&target->trust);
	return target;
}

/* The limits of the site, whatever the domain has of its own there. */
static struct site_spec plan_named(struct plan *plan)
{
	struct limits limits = config_site_limits(plan->config, plan->site, SLICE_NONE);

	for (unsigned i = 0; i < plan->nlanes; i++) {
		const struct config_source *source = plan->config->slots[i].source;
		struct limits of_source =
			config_site_limits(plan->config, plan->site, source ? source->name : SLICE_NONE);

		plan->named[i] = lane_limits_of(&of_source);
	}
	return (struct site_spec){
		.total_rate = {limits.total_rate.count, limits.total_rate.period_ms, limits.total_rate.burst},
		.total_connections = limit_or(limits.total_connections, 0),
		.workers = limit_or(limits.parts, 0),
		.limits = plan->named,
		.nlanes = plan->nlanes,
	};
}

struct site *target_site(struct worker *worker, struct slice domain, struct routes *routes)
{
	const struct config_site *configured = site_key_configured(worker->config, domain, routes);
	struct plan plan = {.worker = worker, .config = worker->config, .domain = domain};
	struct exchanger_spec exchangers[ROUTES_MAX];
	char names[ROUTES_MAX][ADDRESS_TEXT_MAX];
	struct outbuf key = {0};
	struct site *site;

	plan.site = configured ? configured->name : SLICE_NONE;
	plan.limits = config_limits(plan.config, domain, plan.site, SLICE_NONE, NULL);
	size_t name_len = site_key_write(plan.config, domain, routes, &key);

	plan.name = slice_head(outbuf_slice(&key), name_len);
	site = site_keyed(worker, outbuf_slice(&key));
	plan.target = site ? site->target : target_new(worker, plan.name);
	plan_lanes(&plan, site);
	enum site_standing standing = site_key_standing(plan.config, domain, routes);
	struct site_spec named = standing == SITE_ORDINARY ? (struct site_spec){0} : plan_named(&plan);
	struct site_spec spec = {
		.name = plan.name,
		.key = key.len > name_len ? outbuf_slice(&key) : SLICE_NONE,
		.total_rate = {plan.limits.total_rate.count, plan.limits.total_rate.period_ms,
			       plan.limits.total_rate.burst},
		.total_connections = limit_or(plan.limits.total_connections, 0),
		.workers = limit_or(plan.limits.parts, 0),
		.limits = plan.lanes,
		.nlanes = plan.nlanes,
		.sources = axes_pool(plan.config, plan.limits.pool),
		.exchangers = exchangers,
		.nexchangers = exchangers_of(routes, exchangers, names),
		.routes_until_ms = routes->expires_ms,
		.unroutable = routes->result != ROUTES_FOUND,
		.protection = protection_demanded(&plan.limits, routes),
		.standing = standing,
		.named = standing == SITE_ORDINARY ? NULL : &named,
	};

	if (!spec.sources)
		spec.sources = axes_all(plan.config);
	site = scheduler_routed(worker->scheduler, domain, &spec, worker_now_ms(worker));
	site->target = plan.target;
	if (routes->result == ROUTES_FOUND)
		directory_tell(worker, domain, spec.name);
	target_refresh(worker, plan.target, &plan.limits, routes);
	relay_settle(worker, site, config_relay_of(plan.config, domain));
	outbuf_free(&key);
	return site;
}

/* Lanes of sources that are gone: what waits on them goes back, what is in dialogue may finish. */
static void end_lanes_of(struct worker *worker, struct site *site)
{
	for (unsigned i = 0; i < site->nlanes; i++) {
		site->lanes[i]->ended = !worker->config->slots[i].is_used;
		if (site->lanes[i]->ended)
			delivery_return_lane(worker, site->lanes[i]);
		else if (axes_source_is_away(&worker->engine->axes, i))
			site->lanes[i]->rest_until_ms = 0; /* its address may be another one now */
	}
}

static void end_lanes(struct worker *worker)
{
	MAP_EACH (node, scheduler_sites(worker->scheduler))
		end_lanes_of(worker, MAP_OWNER(node, struct site, node));
	LIST_EACH (link, &worker->open_conns) {
		struct conn *conn = LIST_OWNER(link, struct conn, all);

		if (!conn->lane->ended)
			continue;
		if (conn->state == CONN_CONNECTING)
			conn_abandon(conn);
		else
			conn_quit(conn);
	}
}

void target_reload(struct worker *worker)
{
	end_lanes(worker);
	MAP_EACH (node, scheduler_domains(worker->scheduler)) {
		struct domain *domain = MAP_OWNER(node, struct domain, node);
		struct target *target = domain->site ? domain->site->target : NULL;
		struct outbuf key = {0};

		if (!target)
			continue;
		site_key_write(worker->config, domain_name(domain), target->routes, &key);
		if (slice_is(outbuf_slice(&key), site_key(domain->site))) {
			target_site(worker, domain_name(domain), routes_keep(target->routes));
		} else { /* it keeps its limits until it is routed anew, but no source that is gone */
			site_open(domain->site);
			end_lanes_of(worker, domain->site);
		}
		domain->routes_until_ms = worker_now_ms(worker);
		outbuf_free(&key);
	}
	scheduler_terms(worker->scheduler);
}

void target_wake(struct worker *worker, struct lane *lane)
{
	const struct routes *routes = target_of(lane->site)->routes;

	for (unsigned i = 0; i < routes->nroutes; i++) {
		struct address address = routes_address(routes, i);

		host_revive(worker, &address);
	}
	scheduler_wake(worker->scheduler, lane);
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
