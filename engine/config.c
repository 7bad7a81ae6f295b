/* Looking things up in a configuration that has been read. The lists are short and in the order of the file; only
 * domains may be many, so they have a map. */
#include "config.h"

#include "config_keys.h"
#include "config_read.h"

#include <ctype.h>
#include <stdlib.h>

void config_free(struct config *config)
{
	if (!config)
		return;
	map_free(&config->domains_by_name);
	map_free(&config->site_names);
	config_free_local_rules(config);
	arena_free(&config->arena);
	free(config);
}

struct limits limits_unset(void)
{
	struct limits limits = {
		.connections = LIMIT_UNSET,
		.messages_per_connection = LIMIT_UNSET,
		.recipients_per_message = LIMIT_UNSET,
		.window = LIMIT_UNSET,
		.total_connections = LIMIT_UNSET,
		.tls = LIMIT_UNSET,
		.jitter_percent = LIMIT_UNSET,
		.burst = LIMIT_UNSET,
		.learning = LIMIT_UNSET,
		.sts = LIMIT_UNSET,
		.reserved = LIMIT_UNSET,
		.parts = LIMIT_UNSET,
	};

	for (int i = 0; i < TIMEOUT_COUNT; i++)
		limits.timeout_s[i] = LIMIT_UNSET;
	return limits;
}

bool config_pattern_fits(struct slice pattern, struct slice name)
{
	size_t p = 0, n = 0, star = SIZE_MAX, after_star = 0;

	while (n < name.len) {
		if (p < pattern.len && pattern.ptr[p] == '*') {
			star = p++;
			after_star = n;
		} else if (p < pattern.len &&
			   tolower((unsigned char)pattern.ptr[p]) == tolower((unsigned char)name.ptr[n])) {
			p++;
			n++;
		} else if (star != SIZE_MAX) { /* let the last * take one byte more */
			p = star + 1;
			n = ++after_star;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.ptr[p] == '*')
		p++;
	return p == pattern.len;
}

const struct config_pool *config_pool_named(const struct config *config, struct slice name)
{
	for (unsigned i = 0; i < config->npools; i++)
		if (slice_is(config->pools[i].name, name))
			return &config->pools[i];
	return NULL;
}

const struct config_source *config_source_named(const struct config *config, struct slice name)
{
	for (unsigned i = 0; i < config->nsources; i++)
		if (slice_is(config->sources[i].name, name))
			return &config->sources[i];
	return NULL;
}

const struct config_tenant *config_tenant_named(const struct config *config, struct slice name)
{
	for (unsigned i = 0; i < config->ntenants; i++)
		if (slice_is(config->tenants[i].name, name))
			return &config->tenants[i];
	return NULL;
}
