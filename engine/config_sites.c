/* Sites: the configured ones and the built-in ones behind them, and which of them a domain belongs to.
 *
 * There are a few dozen sites with a hundred patterns, and every answer of the DNS asks. Nearly all patterns are a name
 * or "*." and a name, so those lie in a map, by "m" (exchangers) or "d" (domains) and "=" or "*" in front; a name is
 * looked up whole and then suffix by suffix. Only sites with other patterns are gone through. The first site that fits,
 * in the order of the file and then of the table, is meant. */
#include "config_read.h"
#include "providers.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

enum { NAME_MAX_BYTES = 255, NONE = UINT_MAX };

struct config_site_name {
	struct map_node node;
	unsigned site;
};

/* "m*.google.com", in lower case, into room of NAME_MAX_BYTES + 2; empty if too long. */
static struct slice name_key(char kind, char how, struct slice name, char *room)
{
	if (name.len > NAME_MAX_BYTES)
		return SLICE_NONE;
	room[0] = kind;
	room[1] = how;
	for (size_t i = 0; i < name.len; i++)
		room[i + 2] = (char)tolower((unsigned char)name.ptr[i]);
	return (struct slice){room, name.len + 2};
}

static void index_pattern(struct config *config, unsigned site, char kind, struct slice pattern)
{
	char room[NAME_MAX_BYTES + 2];
	bool is_suffix = slice_starts(pattern, SLICE("*."));
	struct slice name = slice_skip(pattern, is_suffix), key = name_key(kind, is_suffix ? '*' : '=', name, room);

	if (slice_find(name, '*') < name.len || !key.len) {
		config->sites[site].has_globs = true;
		return;
	}
	if (map_find(&config->site_names, key))
		return;
	struct config_site_name *entry = arena_alloc(&config->arena, sizeof(*entry) + key.len);

	entry->site = site;
	memcpy(entry + 1, key.ptr, key.len);
	map_add(&config->site_names, &entry->node, (struct slice){(char *)(entry + 1), key.len});
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned looked_up(const struct config *config, struct slice key)
{
	struct map_node *node = key.len ? map_find(&config->site_names, key) : NULL;

	return node ? MAP_OWNER(node, struct config_site_name, node)->site : NONE;
}

static bool any_fits(const struct slice *patterns, unsigned npatterns, struct slice name)
{
	for (unsigned i = 0; i < npatterns; i++)
		if (config_pattern_fits(patterns[i], name))
			return true;
	return false;
}

/* The first site with such a pattern for the name. */
static unsigned site_fitting(const struct config *config, char kind, struct slice name)
{
	char room[NAME_MAX_BYTES + 2];
	unsigned best = looked_up(config, name_key(kind, '=', name, room));

	for (size_t dot = slice_find(name, '.'); dot < name.len;) {
		struct slice suffix = slice_skip(name, dot);

		best = least(best, looked_up(config, name_key(kind, '*', suffix, room)));
		dot += 1 + slice_find(slice_skip(suffix, 1), '.');
	}
	for (unsigned i = 0; i < config->nsites && i < best; i++) {
		const struct config_site *site = &config->sites[i];

		if (site->has_globs &&
		    (kind == 'm' ? any_fits(site->mx, site->nmx, name) : any_fits(site->domains, site->ndomains, name)))
			best = i;
	}
	return best;
}

static bool fits_all(const struct config_site *site, const struct slice *hosts, unsigned nhosts)
{
	for (unsigned i = 0; i < nhosts; i++)
		if (!any_fits(site->mx, site->nmx, hosts[i]))
			return false;
	return true;
}

/* A site that fits all cannot come before the first that fits one. */
static unsigned site_fitting_all(const struct config *config, const struct slice *hosts, unsigned nhosts)
{
	unsigned from = nhosts ? 0 : NONE;

	for (unsigned i = 0; i < nhosts && from != NONE; i++) {
		unsigned first = site_fitting(config, 'm', hosts[i]);

		from = first > from ? first : from; /* NONE is the largest */
	}
	while (from < config->nsites && !fits_all(&config->sites[from], hosts, nhosts))
		from++;
	return from < config->nsites ? from : NONE;
}

/* A listed domain is meant; exchangers only tell. */
const struct config_site *config_site_of(const struct config *config, struct slice domain, const struct slice *hosts,
					 unsigned nhosts)
{
	unsigned found = site_fitting(config, 'd', domain);

	if (found == NONE)
		found = site_fitting_all(config, hosts, nhosts);
	return found == NONE ? NULL : &config->sites[found];
}

const struct config_site *config_site_named(const struct config *config, struct slice name)
{
	for (unsigned i = 0; i < config->nsites; i++)
		if (slice_is(config->sites[i].name, name))
			return &config->sites[i];
	return NULL;
}

/* Words with blanks between. */
static struct slice *words(struct arena *arena, const char *text, unsigned *n)
{
	struct slice rest = slice_of(text), *list = arena_alloc(arena, (rest.len / 2 + 1) * sizeof(*list));

	for (*n = 0; rest.len; ++*n)
		list[*n] = slice_until(&rest, ' ');
	return list;
}

static struct limits *limits_from(struct arena *arena, const struct provider *provider)
{
	struct limits *limits = arena_alloc(arena, sizeof(*limits));

	*limits = limits_unset();
	limits->connections = provider->connections;
	limits->messages_per_connection = provider->messages_per_connection;
	if (provider->recipients_per_message)
		limits->recipients_per_message = provider->recipients_per_message;
	return limits;
}

/* What the provider's row says of a site, where the configuration has not said it. */
static void complete(struct config *config, struct config_site *site, const struct provider *provider)
{
	if (site->nmx == 0)
		site->mx = words(&config->arena, provider->mx, &site->nmx);
	if (site->ndomains == 0)
		site->domains = words(&config->arena, provider->domains, &site->ndomains);
	site->built_in = limits_from(&config->arena, provider);
}

static void add_providers(struct config *config)
{
	struct config_site *all = arena_alloc(&config->arena, (config->nsites + nproviders) * sizeof(*all));

	if (config->nsites)
		memcpy(all, config->sites, config->nsites * sizeof(*all));
	config->sites = all;
	for (unsigned i = 0; i < nproviders; i++) {
		struct config_site *site = (struct config_site *)config_site_named(config, slice_of(providers[i].name));

		if (!site) {
			site = &all[config->nsites++];
			*site = (struct config_site){.name = slice_of(providers[i].name), .limits = limits_unset()};
		}
		complete(config, site, &providers[i]);
	}
}

void config_add_sites(struct config_reading *reading)
{
	struct config *config = reading->config;

	add_providers(config);
	for (unsigned i = 0; i < config->nsites; i++) {
		for (unsigned j = 0; j < config->sites[i].nmx; j++)
			index_pattern(config, i, 'm', config->sites[i].mx[j]);
		for (unsigned j = 0; j < config->sites[i].ndomains; j++)
			index_pattern(config, i, 'd', config->sites[i].domains[j]);
	}
}
