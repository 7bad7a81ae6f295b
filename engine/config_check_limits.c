/* Limits that make nonsense together. Most contradictions are looked for where limits end up, after merging, since two
 * lines that are each sensible may not go together; but of a limit of one source and one over all sources only those
 * are compared that stand in one section: "10 for each source, wherever" and "5 in all, here" is what somebody may well
 * mean, and the tightest binds. */
#include "config_read.h"

#include <string.h>

enum { HOUR_MS = 3600000 };

struct limit_check {
	struct config_reading *reading;
	const struct limits *own, *merged; /* as written in the section; once all that is farther has its say */
	const struct config_place *place;  /* of the section */
};

static const struct config_place *place_of(const struct limits *limits, const char *name,
					   const struct config_place *otherwise)
{
	const struct config_place *place = limits->places[config_key_find(SECTION_SITE, slice_of(name)) - config_keys];

	return place ? place : otherwise;
}

/* The place of the first of the two keys that the section has; NULL: it has neither. */
static const struct config_place *written_here(const struct limit_check *check, const char *one, const char *other)
{
	return place_of(check->own, one, place_of(check->own, other, NULL));
}

static bool is_more(const struct rate *a, const struct rate *b)
{
	return a->count && b->count &&
	       (double)a->count * (double)b->period_ms > (double)b->count * (double)a->period_ms;
}

/* A burst is some patience saved up: more than the rate brings in an hour, or its own period if longer, is no rate. */
static void check_burst(const struct limit_check *check)
{
	const struct config_place *place = written_here(check, "burst", "rate");
	const struct rate *rate = &check->merged->rate;
	uint64_t patience_ms = rate->period_ms > HOUR_MS ? rate->period_ms : HOUR_MS;

	if (!place || check->merged->burst == LIMIT_UNSET)
		return;
	if (rate->count == 0 && check->own->burst != LIMIT_UNSET)
		config_problem_at(check->reading, place, "burst without a rate limits nothing");
	else if (rate->count &&
		 (double)check->merged->burst * (double)rate->period_ms > (double)rate->count * (double)patience_ms)
		config_problem_at(check->reading, place,
				  "burst (%d) and rate contradict each other: the rate brings so many in %.0f hours; "
				  "expected a burst that is there again within one hour, or the rate's own period",
				  check->merged->burst,
				  (double)check->merged->burst * (double)rate->period_ms / (double)rate->count /
					  HOUR_MS);
}

static void check_connections(const struct limit_check *check)
{
	const struct limits *own = check->own, *merged = check->merged;
	const struct config_place *place = written_here(check, "reserved-connections", "connections");

	if (place && merged->reserved > 0 && merged->connections > 0 && merged->reserved >= merged->connections)
		config_problem_at(check->reading, place,
				  "reserved-connections (%d) and connections (%d) contradict each other: nothing would "
				  "be left for bulk mail",
				  merged->reserved, merged->connections);
	if (own->connections > 0 && own->total_connections > 0 && own->connections > own->total_connections)
		config_problem_at(check->reading, place_of(own, "total-connections", check->place),
				  "connections (%d, of each source) and total-connections (%d, of all) contradict each "
				  "other: one source never has more than all",
				  own->connections, own->total_connections);
	if (is_more(&own->rate, &own->total_rate))
		config_problem_at(check->reading, place_of(own, "total-rate", check->place),
				  "rate (of each source) and total-rate (of all) contradict each other: one source "
				  "never sends more than all");
}

static void check_transactions(const struct limit_check *check)
{
	const struct limits *merged = check->merged;
	const struct config_place *place = written_here(check, "window", "messages-per-connection");

	if (place && merged->messages_per_connection != LIMIT_UNLIMITED &&
	    merged->window > merged->messages_per_connection)
		config_problem_at(
			check->reading, place,
			"window (%d) and messages-per-connection (%d) contradict each other: a window is never "
			"larger",
			merged->window, merged->messages_per_connection);
}

static void check_times(const struct limit_check *check)
{
	const struct limits *merged = check->merged;
	const struct config_place *place = written_here(check, "retry", "expires-after");
	uint64_t most_ms = check->reading->config->queue.expires_after_ms;

	if ((place || check->own == check->merged) && merged->retry.step_ms[0] >= merged->expires_after_ms)
		config_problem_at(check->reading, place,
				  "retry and expires-after contradict each other: mail expires before its second "
				  "attempt");
	if (check->own->expires_after_ms > most_ms)
		config_problem_at(check->reading, place_of(check->own, "expires-after", check->place),
				  "expires-after is longer than that of queue, which ends first; expected at most %llu "
				  "seconds, or a longer one there",
				  (unsigned long long)most_ms / 1000);
}

static void check_lane(const struct limit_check *check)
{
	check_burst(check);
	check_connections(check);
	check_transactions(check);
	check_times(check);
	config_check_pool(check->reading, check->own->pool, place_of(check->own, "pool", check->place));
}

/* A source at a site has no limits over all sources of its own, so the site's are looked at. */
static void check_site_source(struct config_reading *reading, const struct config_site *site,
			      const struct config_site_source *source)
{
	struct limits merged = config_limits(reading->config, SLICE_NONE, site->name, source->source, NULL);
	struct limits own = source->limits;
	const struct limit_check check = {reading, &own, &merged, source->place};

	if (!config_source_named(reading->config, source->source))
		config_problem_at(reading, source->place, "unknown source \"%.*s\" in the site \"%.*s\"",
				  SLICE_ARG(source->source), SLICE_ARG(site->name));
	own.total_connections = site->limits.total_connections;
	own.total_rate = site->limits.total_rate;
	check_lane(&check);
}

static void check_sites(struct config_reading *reading)
{
	const struct config *config = reading->config;

	for (unsigned i = 0; i < config->nsites; i++) {
		const struct config_site *site = &config->sites[i];
		struct limits merged = config_limits(config, SLICE_NONE, site->name, SLICE_NONE, NULL);
		const struct limit_check check = {reading, &site->limits, &merged, site->place};

		if (!site->place) /* built in */
			continue;
		if (site->nmx == 0 && site->ndomains == 0)
			config_problem_at(reading, site->place,
					  "the site \"%.*s\" has neither mx nor domains, so nothing belongs to it",
					  SLICE_ARG(site->name));
		check_lane(&check);
		for (unsigned j = 0; j < site->nsources; j++)
			check_site_source(reading, site, &site->sources[j]);
	}
}

static void check_domains(struct config_reading *reading)
{
	const struct config *config = reading->config;

	for (unsigned i = 0; i < config->ndomains; i++) {
		const struct config_domain *domain = &config->domains[i];
		struct limits merged = config_limits(config, domain->name, SLICE_NONE, SLICE_NONE, NULL);
		const struct limit_check check = {reading, &domain->limits, &merged, domain->place};

		check_lane(&check);
	}
}

static void check_relays(struct config_reading *reading)
{
	const struct config *config = reading->config;

	for (unsigned i = 0; i < config->nrelays; i++) {
		const struct config_relay *relay = &config->relays[i];
		struct limits merged = config_relay_limits(config, relay);
		const struct limit_check check = {reading, &relay->limits, &merged, relay->place};

		check_lane(&check);
	}
}

/* Sources and tenants are axes of their own: nothing is merged. */
static void check_axes(struct config_reading *reading)
{
	const struct config *config = reading->config;

	for (unsigned i = 0; i < config->nsources; i++) {
		const struct limits *limits = &config->sources[i].limits;

		check_burst(&(struct limit_check){reading, limits, limits, config->sources[i].place});
	}
	for (unsigned i = 0; i < config->ntenants; i++) {
		const struct limits *limits = &config->tenants[i].limits;

		check_burst(&(struct limit_check){reading, limits, limits, config->tenants[i].place});
	}
}

/* What `queue` says holds where no domain or site says otherwise. */
static void check_queue(struct config_reading *reading)
{
	struct config *config = reading->config;
	struct limits *limits = &config->limits;
	size_t size = LIMIT_KEYS * sizeof(*limits->places);
	const struct limit_check check = {reading, limits, limits, NULL};

	limits->expires_after_ms = config->queue.expires_after_ms;
	limits->retry = config->queue.retry;
	limits->places = memset(arena_alloc(&config->arena, size), 0, size);
	limits->places[config_key_find(SECTION_SITE, SLICE("retry")) - config_keys] =
		config_written(reading, SECTION_QUEUE, "retry");
	limits->places[config_key_find(SECTION_SITE, SLICE("expires-after")) - config_keys] =
		config_written(reading, SECTION_QUEUE, "expires-after");
	check_times(&check);
}

void config_check_limits(struct config_reading *reading)
{
	check_queue(reading);
	check_axes(reading);
	check_domains(reading);
	check_relays(reading);
	check_sites(reading);
}
