/* What no single line can tell: whether names exist that others refer to, whether limits contradict each other, whether
 * a file with a secret is one; and what comes from the machine when nothing is said. A contradiction is looked for
 * where limits end up, after merging, since two lines that are each sensible may make nonsense together. */
#include "config_read.h"

#include "dns/dns.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct config_place *written(struct config_reading *reading, enum config_section section, const char *name)
{
	return reading->written[config_key_find(section, slice_of(name)) - config_keys];
}

/* --- from the machine --- */

static void check_workers(struct config *config)
{
	cpu_set_t cores;

	if (config->workers == 0 && sched_getaffinity(0, sizeof(cores), &cores) == 0)
		config->workers = (unsigned)CPU_COUNT(&cores);
	if (config->workers == 0)
		config->workers = 1;
}

/* Letters, digits and the bytes in extra; neither empty nor longer than max. */
static bool is_plain(struct slice name, const char *extra, size_t max)
{
	for (size_t i = 0; i < name.len; i++)
		if (!isalnum((unsigned char)name.ptr[i]) && (!name.ptr[i] || !strchr(extra, name.ptr[i])))
			return false;
	return name.len > 0 && name.len <= max;
}

static bool is_domain(struct slice name)
{
	struct slice rest = name;

	while (rest.len) {
		struct slice label = slice_until(&rest, '.');

		if (!is_plain(label, "-_", 63))
			return false;
	}
	return name.len > 0 && name.len <= 253 && name.ptr[name.len - 1] != '.';
}

static void check_hostname(struct config_reading *reading)
{
	struct config *config = reading->config;
	char name[256] = "";

	if (config->hostname.len == 0 && gethostname(name, sizeof(name) - 1) == 0)
		config->hostname = arena_copy(&config->arena, slice_of(name));
	if (!is_domain(config->hostname))
		config_problem_at(reading, written(reading, SECTION_TOP, "hostname"),
				  "hostname is \"%.*s\", expected a domain name of letters, digits, - and dots",
				  SLICE_ARG(config->hostname));
}

static void check_state_dir(struct config *config)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	struct outbuf path = {0};

	if (config->state_dir.len > 0)
		return;
	if (geteuid() == 0)
		outbuf_printf(&path, "/var/lib/hikyaku");
	else if (state && *state)
		outbuf_printf(&path, "%s/hikyaku", state);
	else
		outbuf_printf(&path, "%s/.local/state/hikyaku", home && *home ? home : "");
	config->state_dir = arena_copy(&config->arena, outbuf_slice(&path));
	outbuf_free(&path);
}

static void check_dns(struct config *config)
{
	char text[16384];
	int fd;
	ssize_t n;

	if (config->dns.nservers > 0)
		return;
	fd = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (fd >= 0)
		close(fd);
	if (n > 0)
		config->dns.nservers = dns_read_resolv_conf((struct slice){text, (size_t)n}, config->dns.servers, 4);
	if (config->dns.nservers == 0 && address_parse(&config->dns.servers[0], SLICE("127.0.0.1"), 53))
		config->dns.nservers = 1;
}

/* --- Redis, and secrets --- */

/* The first line of a file that only its owner and group may read. SLICE_NONE, and a problem, if it is not so. */
static struct slice secret(struct config_reading *reading, struct slice name, const struct config_place *place)
{
	char *path = arena_string(&reading->config->arena, name), text[1024];
	struct slice rest = {text, 0};
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0 || fstat(fd, &status) < 0) {
		config_problem_at(reading, place, "cannot open %s: %s", path, strerror(errno));
	} else if (status.st_mode & S_IRWXO) {
		config_problem_at(
			reading, place,
			"%s holds a secret and others may use it (mode %03o), expected a file for its owner: chmod "
			"600 %s",
			path, (unsigned)status.st_mode & 0777, path);
	} else if ((n = read(fd, text, sizeof(text))) <= 0) {
		config_problem_at(reading, place, "%s is empty or cannot be read, expected a password", path);
	} else {
		rest.len = (size_t)n;
		rest = slice_until(&rest, '\n');
	}
	if (fd >= 0)
		close(fd);
	return rest.len ? arena_copy(&reading->config->arena, rest) : SLICE_NONE;
}

static void check_server(struct config_reading *reading)
{
	struct config *config = reading->config;
	const struct config_place *place = written(reading, SECTION_REDIS, "server");
	struct outbuf text = {0};

	config->redis.embedded = slice_is(config->redis.text, SLICE("embedded"));
	if (config->redis.embedded)
		outbuf_printf(&text, "unix:%.*s/redis.sock", SLICE_ARG(config->state_dir));
	else
		outbuf_add(&text, config->redis.text);
	if (!address_parse(&config->redis.server, outbuf_slice(&text), 6379)) {
		if (config->redis.embedded)
			config_problem_at(
				reading, written(reading, SECTION_TOP, "state-dir"),
				"state-dir \"%.*s\" is too long for a socket in it, expected at most 90 bytes",
				SLICE_ARG(config->state_dir));
		else
			config_problem_at(reading, place,
					  "redis server is \"%.*s\", expected \"embedded\", \"unix:/path\" or "
					  "\"address:port\"",
					  SLICE_ARG(config->redis.text));
	}
	outbuf_free(&text);
}

static void check_redis(struct config_reading *reading)
{
	struct config *config = reading->config;
	bool writes_always = slice_is(config->redis.fsync, SLICE("always"));

	check_server(reading);
	if (!is_plain(config->redis.prefix, "-_.", 64))
		config_problem_at(reading, written(reading, SECTION_REDIS, "prefix"),
				  "prefix is \"%.*s\", expected at most 64 letters, digits, - _ and dots",
				  SLICE_ARG(config->redis.prefix));
	if (config->redis.shards > 1)
		config_problem_at(reading, written(reading, SECTION_REDIS, "shards"),
				  "shards = %u: more than one comes with a later version; expected 1",
				  config->redis.shards);
	if (config->redis.password_file.len > 0)
		config->redis.password =
			secret(reading, config->redis.password_file, written(reading, SECTION_REDIS, "password-file"));
	if (config->redis.embedded && !writes_always && slice_is(config->require, SLICE("durable")))
		config_problem_at(reading, written(reading, SECTION_TOP, "require"),
				  "require = \"durable\" and fsync = \"%.*s\" contradict each other; expected fsync = "
				  "\"always\"",
				  SLICE_ARG(config->redis.fsync));
}

/* --- names that others refer to --- */

/* Sources of a pool share alike for now: said where something else was asked for. */
static void warn_weights(struct config_reading *reading, const struct config_pool *pool)
{
	for (unsigned i = 1; i < pool->nsources; i++) {
		const struct config_place *place = pool->sources[i].place;

		if (pool->sources[i].weight == pool->sources[0].weight)
			continue;
		outbuf_printf(reading->problems.out,
			      "%.*s:%u: warning: the weights of the pool \"%.*s\" count from a later version on; until "
			      "then its sources share alike\n",
			      SLICE_ARG(place->file), place->line, SLICE_ARG(pool->name));
		return;
	}
}

static void check_pools(struct config_reading *reading)
{
	const struct config *config = reading->config;

	for (unsigned i = 0; i < config->npools; i++) {
		const struct config_pool *pool = &config->pools[i];

		warn_weights(reading, pool);
		if (pool->nsources == 0)
			config_problem_at(reading, pool->place,
					  "the pool \"%.*s\" has no sources; expected one at least",
					  SLICE_ARG(pool->name));
		for (unsigned j = 0; j < pool->nsources; j++)
			if (!config_source_named(config, pool->sources[j].source))
				config_problem_at(reading, pool->sources[j].place,
						  "unknown source \"%.*s\" in the pool \"%.*s\"",
						  SLICE_ARG(pool->sources[j].source), SLICE_ARG(pool->name));
	}
}

static void check_sources(struct config_reading *reading)
{
	struct config *config = reading->config;

	if (config->nsources > CONFIG_SOURCES_MAX)
		config_problem_at(reading, config->sources[CONFIG_SOURCES_MAX].place,
				  "found %u sources, expected at most %d", config->nsources, CONFIG_SOURCES_MAX);
	for (unsigned i = 0; i < config->nsources; i++) {
		struct config_source *source = &config->sources[i];

		if (source->address.len == 0)
			config_problem_at(reading, source->place, "the source \"%.*s\" has no address",
					  SLICE_ARG(source->name));
		if (source->helo.len == 0)
			source->helo = config->hostname;
		if (!is_domain(source->helo) && source->helo.ptr[0] != '[')
			config_problem_at(reading, source->place, "helo is \"%.*s\", expected a domain name",
					  SLICE_ARG(source->helo));
	}
}

static void check_pool_name(struct config_reading *reading, struct slice pool, const struct config_place *place)
{
	if (pool.len && !config_pool_named(reading->config, pool))
		config_problem_at(reading, place, "unknown pool \"%.*s\"; there is no section pool \"%.*s\"",
				  SLICE_ARG(pool), SLICE_ARG(pool));
}

static void check_tenants(struct config_reading *reading)
{
	const struct config *config = reading->config;

	for (unsigned i = 0; i < config->ntenants; i++) {
		const struct config_tenant *tenant = &config->tenants[i];

		if (!is_plain(tenant->name, "-_.", 64))
			config_problem_at(
				reading, tenant->place,
				"tenant \"%.*s\": expected a name of at most 64 letters, digits, - _ and dots",
				SLICE_ARG(tenant->name));
		for (unsigned j = 0; j < tenant->npools; j++)
			check_pool_name(reading, tenant->pools[j], tenant->place);
	}
}

static void check_groups(struct config_reading *reading)
{
	const struct config *config = reading->config;

	for (unsigned i = 0; i < config->events.ngroups; i++)
		if (!is_plain(config->events.groups[i], "-_.:", 64))
			config_problem_at(reading, written(reading, SECTION_EVENTS, "groups"),
					  "the group \"%.*s\": expected at most 64 letters, digits, - _ : and dots",
					  SLICE_ARG(config->events.groups[i]));
}

/* --- limits --- */

static const struct config_place *limit_place(const struct limits *limits, const char *name,
					      const struct config_place *otherwise)
{
	const struct config_place *place = limits->places[config_key_find(SECTION_SITE, slice_of(name)) - config_keys];

	return place ? place : otherwise;
}

/* own: as written in the section; merged: as they are once all that is farther has its say. */
static void check_limits(struct config_reading *reading, const struct limits *own, const struct limits *merged,
			 const struct config_place *place)
{
	if (own->tls >= TLS_REQUIRED)
		config_problem_at(
			reading, limit_place(own, "tls", place),
			"this tls policy needs TLS, which comes with a later version; mail would go in clear. "
			"Expected none or opportunistic");
	if (own->burst != LIMIT_UNSET && merged->rate.count == 0)
		config_problem_at(reading, limit_place(own, "burst", place), "burst without a rate limits nothing");
	if ((own->window != LIMIT_UNSET || own->messages_per_connection != LIMIT_UNSET) &&
	    merged->messages_per_connection != LIMIT_UNLIMITED && merged->window > merged->messages_per_connection)
		config_problem_at(
			reading, limit_place(own, "window", place),
			"window (%d) and messages-per-connection (%d) contradict each other: a window is never "
			"larger",
			merged->window, merged->messages_per_connection);
	if ((own->retry.nsteps || own->expires_after_ms) && merged->retry.step_ms[0] >= merged->expires_after_ms)
		config_problem_at(
			reading, limit_place(own, "retry", limit_place(own, "expires-after", place)),
			"retry and expires-after contradict each other: mail expires before its second attempt");
	check_pool_name(reading, own->pool, limit_place(own, "pool", place));
}

static void check_sites(struct config_reading *reading)
{
	const struct config *config = reading->config;

	for (unsigned i = 0; i < config->nsites; i++) {
		const struct config_site *site = &config->sites[i];
		struct limits merged = config_limits(config, SLICE_NONE, site->name, SLICE_NONE, NULL);

		if (site->nmx == 0 && site->ndomains == 0)
			config_problem_at(reading, site->place,
					  "the site \"%.*s\" has neither mx nor domains, so nothing belongs to it",
					  SLICE_ARG(site->name));
		check_limits(reading, &site->limits, &merged, site->place);
		for (unsigned j = 0; j < site->nsources; j++) {
			const struct config_site_source *source = &site->sources[j];

			if (!config_source_named(config, source->source))
				config_problem_at(reading, source->place,
						  "unknown source \"%.*s\" in the site \"%.*s\"",
						  SLICE_ARG(source->source), SLICE_ARG(site->name));
			merged = config_limits(config, SLICE_NONE, site->name, source->source, NULL);
			check_limits(reading, &source->limits, &merged, source->place);
		}
	}
}

/* "a.example", "*.example" or "*", in lower case from now on. */
static void name_domain(struct config_reading *reading, struct config_domain *domain)
{
	struct config *config = reading->config;
	char *name = arena_string(&config->arena, domain->name);
	struct slice rest = domain->name;

	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	domain->name = slice_of(name);
	if (slice_starts(rest, SLICE("*.")))
		rest = slice_skip(rest, 2);
	if (!slice_is(rest, SLICE("*")) && !is_domain(rest))
		config_problem_at(
			reading, domain->place,
			"domain \"%.*s\": expected a domain name in ASCII, such as \"a.example\", \"*.example\" "
			"or \"*\"",
			SLICE_ARG(domain->name));
	if (!map_find(&config->domains_by_name, domain->name))
		map_add(&config->domains_by_name, &domain->node, domain->name);
}

static void check_domains(struct config_reading *reading)
{
	struct config *config = reading->config;

	for (unsigned i = 0; i < config->ndomains; i++)
		name_domain(reading, &config->domains[i]);
	for (unsigned i = 0; i < config->ndomains; i++) {
		const struct config_domain *domain = &config->domains[i];
		struct limits merged = config_limits(config, domain->name, SLICE_NONE, SLICE_NONE, NULL);

		check_limits(reading, &domain->limits, &merged, domain->place);
	}
}

/* What `queue` says holds where no domain or site says otherwise. */
static void check_queue(struct config_reading *reading)
{
	struct config *config = reading->config;
	struct limits *limits = &config->limits;
	size_t size = LIMIT_KEYS * sizeof(*limits->places);

	limits->expires_after_ms = config->queue.expires_after_ms;
	limits->retry = config->queue.retry;
	limits->places = memset(arena_alloc(&config->arena, size), 0, size);
	limits->places[config_key_find(SECTION_SITE, SLICE("retry")) - config_keys] =
		written(reading, SECTION_QUEUE, "retry");
	limits->places[config_key_find(SECTION_SITE, SLICE("expires-after")) - config_keys] =
		written(reading, SECTION_QUEUE, "expires-after");
	check_limits(reading, limits, limits, NULL);
}

void config_check(struct config_reading *reading)
{
	check_workers(reading->config);
	check_hostname(reading);
	check_state_dir(reading->config);
	check_dns(reading->config);
	check_redis(reading);
	check_sources(reading);
	check_pools(reading);
	check_tenants(reading);
	check_groups(reading);
	check_queue(reading);
	check_domains(reading);
	check_sites(reading);
}
