/* What no single line can tell: whether names exist that others refer to, whether a file with a secret is one; and what
 * comes from the machine when nothing is said. Limits are next door, in config_check_limits.c. */
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

const struct config_place *config_written(const struct config_reading *reading, enum config_section section,
					  const char *name)
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

bool config_is_plain_name(struct slice name)
{
	return is_plain(name, "-_.", 64);
}

bool config_is_domain(struct slice name)
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
	if (!config_is_domain(config->hostname))
		config_problem_at(reading, config_written(reading, SECTION_TOP, "hostname"),
				  "hostname is \"%.*s\", expected a domain name of letters, digits, - and dots",
				  SLICE_ARG(config->hostname));
}

static void check_tls_reports(struct config_reading *reading)
{
	struct slice sender = reading->config->tls_reports;
	size_t at = slice_find(sender, '@');

	if (sender.len &&
	    (!is_plain(slice_head(sender, at), "-_.+=", 64) || !config_is_domain(slice_skip(sender, at + 1))))
		config_problem_at(reading, config_written(reading, SECTION_TOP, "tls-reports"),
				  "tls-reports is \"%.*s\", expected an address such as \"tls-reports@sender.example\"",
				  SLICE_ARG(slice_head(sender, 80)));
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

struct slice config_secret(struct config_reading *reading, struct slice name, const struct config_place *place)
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
	const struct config_place *place = config_written(reading, SECTION_REDIS, "server");
	struct outbuf text = {0};

	config->redis.embedded = slice_is(config->redis.text, SLICE("embedded"));
	if (config->redis.embedded)
		outbuf_printf(&text, "unix:%.*s/redis.sock", SLICE_ARG(config->state_dir));
	else
		outbuf_add(&text, config->redis.text);
	if (!address_parse(&config->redis.server, outbuf_slice(&text), 6379)) {
		if (config->redis.embedded)
			config_problem_at(
				reading, config_written(reading, SECTION_TOP, "state-dir"),
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
	if (!config_is_plain_name(config->redis.prefix))
		config_problem_at(reading, config_written(reading, SECTION_REDIS, "prefix"),
				  "prefix is \"%.*s\", expected at most 64 letters, digits, - _ and dots",
				  SLICE_ARG(config->redis.prefix));
	if (config->redis.shards > 1)
		config_problem_at(reading, config_written(reading, SECTION_REDIS, "shards"),
				  "shards = %u: more than one comes with a later version; expected 1",
				  config->redis.shards);
	if (config->redis.password_file.len > 0)
		config->redis.password = config_secret(reading, config->redis.password_file,
						       config_written(reading, SECTION_REDIS, "password-file"));
	if (config->redis.embedded && !writes_always && slice_is(config->require, SLICE("durable")))
		config_problem_at(reading, config_written(reading, SECTION_TOP, "require"),
				  "require = \"durable\" and fsync = \"%.*s\" contradict each other; expected fsync = "
				  "\"always\"",
				  SLICE_ARG(config->redis.fsync));
}

/* --- names that others refer to --- */

static void check_pools(struct config_reading *reading)
{
	const struct config *config = reading->config;

	for (unsigned i = 0; i < config->npools; i++) {
		const struct config_pool *pool = &config->pools[i];

		if (!config_is_plain_name(pool->name))
			config_problem_at(reading, pool->place,
					  "pool \"%.*s\": expected a name of at most 64 letters, digits, - _ and dots",
					  SLICE_ARG(pool->name));
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

static void check_warm_up(struct config_reading *reading, const struct config_source *source)
{
	const struct config_warm_up *warm_up = &source->warm_up;
	const struct config_pool *overflow = config_pool_named(reading->config, warm_up->overflow);

	if (!warm_up->place)
		return;
	if (warm_up->start_day == 0 || warm_up->ndaily == 0)
		config_problem_at(reading, warm_up->place,
				  "the warm-up of the source \"%.*s\" has no %s, expected both start and daily",
				  SLICE_ARG(source->name), warm_up->ndaily ? "start" : "daily");
	config_check_pool(reading, warm_up->overflow, warm_up->place);
	if (overflow && overflow->nsources == 1 && slice_is(overflow->sources[0].source, source->name))
		config_problem_at(reading, warm_up->place,
				  "the overflow pool \"%.*s\" has no source but \"%.*s\" itself, expected one that is "
				  "warm",
				  SLICE_ARG(overflow->name), SLICE_ARG(source->name));
}

/* Receivers count by address, so two sources at one address are twice what they are told to be. */
static void warn_same_address(struct config_reading *reading, const struct config_source *source)
{
	const struct config *config = reading->config;

	for (const struct config_source *other = config->sources; other < source; other++) {
		if (!address_is_equal(&other->address, &source->address) || source->address.len == 0)
			continue;
		outbuf_printf(reading->problems.out,
			      "%.*s:%u: warning: the sources \"%.*s\" and \"%.*s\" have the same address; receivers "
			      "count them as one\n",
			      SLICE_ARG(source->place->file), source->place->line, SLICE_ARG(other->name),
			      SLICE_ARG(source->name));
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
		char ip[ADDRESS_TEXT_MAX];

		source->ip = arena_copy(&config->arena, address_ip_text(&source->address, ip));
		if (source->address.len == 0)
			config_problem_at(reading, source->place, "the source \"%.*s\" has no address",
					  SLICE_ARG(source->name));
		if (source->helo.len == 0)
			source->helo = config->hostname;
		check_warm_up(reading, source);
		warn_same_address(reading, source);
		if (!config_is_domain(source->helo) && source->helo.ptr[0] != '[')
			config_problem_at(reading, source->place, "helo is \"%.*s\", expected a domain name",
					  SLICE_ARG(source->helo));
	}
}

void config_check_pool(struct config_reading *reading, struct slice pool, const struct config_place *place)
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

		if (!config_is_plain_name(tenant->name))
			config_problem_at(
				reading, tenant->place,
				"tenant \"%.*s\": expected a name of at most 64 letters, digits, - _ and dots",
				SLICE_ARG(tenant->name));
		for (unsigned j = 0; j < tenant->npools; j++)
			config_check_pool(reading, tenant->pools[j], tenant->place);
	}
}

static void check_groups(struct config_reading *reading)
{
	const struct config *config = reading->config;

	for (unsigned i = 0; i < config->events.ngroups; i++)
		if (!is_plain(config->events.groups[i], "-_.:", 64))
			config_problem_at(reading, config_written(reading, SECTION_EVENTS, "groups"),
					  "the group \"%.*s\": expected at most 64 letters, digits, - _ : and dots",
					  SLICE_ARG(config->events.groups[i]));
}

/* "a.example", "*.example" or "*", in lower case from now on. */
static void check_domain(struct config_reading *reading, struct config_domain *domain)
{
	struct config *config = reading->config;
	char *name = arena_string(&config->arena, domain->name);
	struct slice rest = domain->name;

	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	domain->name = slice_of(name);
	if (slice_starts(rest, SLICE("*.")))
		rest = slice_skip(rest, 2);
	if (!slice_is(rest, SLICE("*")) && !config_is_domain(rest))
		config_problem_at(
			reading, domain->place,
			"domain \"%.*s\": expected a domain name in ASCII, such as \"a.example\", \"*.example\" "
			"or \"*\"",
			SLICE_ARG(domain->name));
	if (!map_find(&config->domains_by_name, domain->name))
		map_add_far(&config->domains_by_name, &domain->node, domain->name);
}

/* A slot for each source, and one for any address where there is none. */
static void give_slots(struct config *config)
{
	config->nslots = config->nsources ? config->nsources : 1;
	if (config->nslots > CONFIG_SOURCES_MAX)
		return; /* refused above */
	config->slots[0] = (struct config_slot){true, NULL};
	for (unsigned i = 0; i < config->nsources; i++) {
		config->sources[i].slot = i;
		config->slots[i] = (struct config_slot){true, &config->sources[i]};
	}
}

void config_check(struct config_reading *reading)
{
	check_workers(reading->config);
	check_hostname(reading);
	check_tls_reports(reading);
	check_state_dir(reading->config);
	check_dns(reading->config);
	check_redis(reading);
	check_sources(reading);
	give_slots(reading->config);
	check_pools(reading);
	check_tenants(reading);
	check_groups(reading);
	for (unsigned i = 0; i < reading->config->ndomains; i++)
		check_domain(reading, &reading->config->domains[i]);
	config_check_relays(reading);
	config_add_sites(reading);
	config_check_limits(reading);
}
