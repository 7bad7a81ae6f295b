/* The values. libconfuse parses the clean copy that the lint has made, with options built from the table of keys; every
 * value comes back as its text and its place, and is read by its kind. libconfuse has neither a pointer for its
 * callbacks nor more than one parse at a time in a process, hence the one static here: the reading under way. The
 * configuration is read before threads start and, on reload, by the main thread only. */
#include "config_read.h"

#include "config_values.h"

#include "base/check.h"
#include "base/log.h"

#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct config_reading *under_way;

struct value {
	struct slice text;
	const struct config_place *place;
};

static const struct config_place *place_at(int line)
{
	const struct config_text *text = &under_way->text;

	return line > 0 && (size_t)line <= text->nplaces ? text->places[line - 1] : NULL;
}

void config_problem_at(struct config_reading *reading, const struct config_place *place, const char *format, ...)
{
	char sentence[512];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	config_problem(&reading->problems, place ? place->file : slice_of(reading->path), place ? place->line : 0, "%s",
		       sentence);
}

/* libconfuse's own complaints, of which the lint has left few. */
static void on_error(cfg_t *cfg, const char *format, va_list args)
{
	char sentence[512];

	vsnprintf(sentence, sizeof(sentence), format, args);
	config_problem_at(under_way, place_at(cfg->line), "%s", sentence);
}

static int on_value(cfg_t *cfg, cfg_opt_t *option, const char *text, void *result)
{
	struct arena *arena = &under_way->config->arena;
	struct value *value = arena_alloc(arena, sizeof(*value));

	(void)option;
	*value = (struct value){arena_copy(arena, slice_of(text)), place_at(cfg->line)};
	*(struct value **)result = value;
	return 0;
}

/* The options of a section and of those inside it, as libconfuse wants them. */
static cfg_opt_t *options(struct arena *arena, enum config_section section)
{
	cfg_opt_t *list = arena_alloc(arena, (config_nkeys + SECTION_COUNT + 1) * sizeof(*list));
	unsigned n = 0;

	for (unsigned i = 0; i < config_nkeys; i++)
		if (config_keys[i].sections & (1u << section))
			list[n++] = (cfg_opt_t){
				.name = config_keys[i].name,
				.type = CFGT_PTR,
				.flags = CFGF_NODEFAULT |
					 (config_kind_is_list(config_keys[i].kind) ? CFGF_LIST : CFGF_NONE),
				.parsecb = on_value,
			};
	for (unsigned i = 1; i < SECTION_COUNT; i++)
		if (config_sections[i].parent == section)
			list[n++] = (cfg_opt_t){
				.name = config_sections[i].name,
				.type = CFGT_SEC,
				.flags = config_sections[i].titled ? CFGF_MULTI | CFGF_TITLE : CFGF_NONE,
				.subopts = options(arena, i),
			};
	list[n] = (cfg_opt_t)CFG_END();
	return list;
}

/* A default, which may be a list with commas. */
static unsigned split(struct slice fallback, struct slice *texts, unsigned max, bool is_list)
{
	unsigned n = 0;

	if (!is_list) {
		texts[0] = fallback;
		return 1;
	}
	while (fallback.len && n < max)
		texts[n++] = slice_until(&fallback, ',');
	return n;
}

static void complain(struct config_reading *reading, const struct config_key *key, const struct config_place *place,
		     struct slice text, const char *why)
{
	struct outbuf expected = {0};
	char found[80];

	config_key_expects(key, &expected);
	config_problem_at(reading, place, "%s = \"%s\": %s; expected %.*s", key->name,
			  log_printable(found, sizeof(found), text), why, SLICE_ARG(outbuf_slice(&expected)));
	outbuf_free(&expected);
}

/* What was written for the key, else its default; limits have no default here, since an unset one is looked for
 * elsewhere. */
static void read_key(struct config_reading *reading, cfg_opt_t *option, const struct config_key *key, void *base,
		     const struct config_place **written)
{
	struct config *config = reading->config;
	struct config_value_room room = {&config->arena, config->smtp_port};
	unsigned n = cfg_opt_size(option);
	struct slice *texts = arena_alloc(&config->arena, (n + RETRY_STEPS_MAX) * sizeof(*texts)), at = SLICE_NONE;
	const struct config_place *place = NULL;
	const char *why = "";

	for (unsigned i = 0; i < n; i++) {
		const struct value *value = cfg_opt_getnptr(option, i);

		texts[i] = value->text;
		place = i == 0 ? value->place : place;
	}
	if (n == 0 && (key->is_limit || !key->fallback))
		return;
	if (n == 0)
		n = split(slice_of(key->fallback), texts, RETRY_STEPS_MAX, config_kind_is_list(key->kind));
	*written = place;
	if (config_value_read(key, texts, n, base, &room, &at, &why))
		return;
	for (unsigned i = 0; i < cfg_opt_size(option); i++) {
		const struct value *value = cfg_opt_getnptr(option, i);

		place = value->text.ptr == at.ptr ? value->place : place;
	}
	complain(reading, key, place, at, why);
}

/* All keys of a section that work in this version: into base, its limits into limits. */
static void read_keys(struct config_reading *reading, cfg_t *cfg, enum config_section section, void *base,
		      struct limits *limits)
{
	const struct config_place *unused;

	if (limits) {
		size_t size = LIMIT_KEYS * sizeof(*limits->places);

		*limits = limits_unset();
		limits->places = memset(arena_alloc(&reading->config->arena, size), 0, size);
	}
	for (unsigned i = 0; i < config_nkeys; i++) {
		const struct config_key *key = &config_keys[i];
		const struct config_place **written = &reading->written[i];

		if (!(key->sections & ~key->later & (1u << section)))
			continue;
		if (key->is_limit)
			written = &limits->places[i];
		else if (config_sections[section].titled)
			written = &unused;
		read_key(reading, cfg_getopt(cfg, key->name), key, key->is_limit ? (void *)limits : base, written);
	}
	if (limits && limits->burst != LIMIT_UNSET)
		limits->rate.burst = (uint64_t)limits->burst;
}

/* An array for n things, cleared. */
static void *array(struct config_reading *reading, unsigned n, size_t size)
{
	return memset(arena_alloc(&reading->config->arena, n * size + 1), 0, n * size);
}

/* The n-th section of that name, its title, and where it begins. */
static cfg_t *section_at(struct config_reading *reading, cfg_t *cfg, const char *name, unsigned n, struct slice *title,
			 const struct config_place **place)
{
	cfg_t *section = cfg_getnsec(cfg, name, n);
	const struct config_place *end = place_at(section->line);

	*title = arena_copy(&reading->config->arena, slice_of(cfg_title(section)));
	*place = end ? end->opened : NULL;
	return section;
}

static void read_warm_up(struct config_reading *reading, cfg_t *source, struct config_warm_up *warm_up)
{
	cfg_t *section = cfg_size(source, "warm-up") ? cfg_getsec(source, "warm-up") : NULL;
	const struct config_place *end = section ? place_at(section->line) : NULL;

	if (!end || !end->opened) /* libconfuse makes an empty one where there is none */
		return;
	warm_up->place = end->opened;
	read_keys(reading, section, SECTION_WARM_UP, warm_up, NULL);
}

static void read_sources(struct config_reading *reading, cfg_t *cfg)
{
	struct config *config = reading->config;

	config->nsources = cfg_size(cfg, "source");
	config->sources = array(reading, config->nsources, sizeof(*config->sources));
	for (unsigned i = 0; i < config->nsources; i++) {
		struct config_source *source = &config->sources[i];
		cfg_t *section = section_at(reading, cfg, "source", i, &source->name, &source->place);

		read_keys(reading, section, SECTION_SOURCE, source, &source->limits);
		read_warm_up(reading, section, &source->warm_up);
	}
}

static void read_pools(struct config_reading *reading, cfg_t *cfg)
{
	struct config *config = reading->config;

	config->npools = cfg_size(cfg, "pool");
	config->pools = array(reading, config->npools, sizeof(*config->pools));
	for (unsigned i = 0; i < config->npools; i++) {
		struct config_pool *pool = &config->pools[i];
		cfg_t *section = section_at(reading, cfg, "pool", i, &pool->name, &pool->place);

		pool->nsources = cfg_size(section, "source");
		pool->sources = array(reading, pool->nsources, sizeof(*pool->sources));
		for (unsigned j = 0; j < pool->nsources; j++) {
			struct config_pool_source *source = &pool->sources[j];
			cfg_t *inner = section_at(reading, section, "source", j, &source->source, &source->place);

			read_keys(reading, inner, SECTION_POOL_SOURCE, source, NULL);
		}
	}
}

static void read_sites(struct config_reading *reading, cfg_t *cfg)
{
	struct config *config = reading->config;

	config->nsites = cfg_size(cfg, "site");
	config->sites = array(reading, config->nsites, sizeof(*config->sites));
	for (unsigned i = 0; i < config->nsites; i++) {
		struct config_site *site = &config->sites[i];
		cfg_t *section = section_at(reading, cfg, "site", i, &site->name, &site->place);

		read_keys(reading, section, SECTION_SITE, site, &site->limits);
		site->nsources = cfg_size(section, "source");
		site->sources = array(reading, site->nsources, sizeof(*site->sources));
		for (unsigned j = 0; j < site->nsources; j++) {
			struct config_site_source *source = &site->sources[j];
			cfg_t *inner = section_at(reading, section, "source", j, &source->source, &source->place);

			read_keys(reading, inner, SECTION_SITE_SOURCE, source, &source->limits);
		}
	}
}

static void read_domains(struct config_reading *reading, cfg_t *cfg)
{
	struct config *config = reading->config;

	config->ndomains = cfg_size(cfg, "domain");
	config->domains = array(reading, config->ndomains, sizeof(*config->domains));
	for (unsigned i = 0; i < config->ndomains; i++) {
		struct config_domain *domain = &config->domains[i];
		cfg_t *section = section_at(reading, cfg, "domain", i, &domain->name, &domain->place);

		read_keys(reading, section, SECTION_DOMAIN, domain, &domain->limits);
	}
}

static void read_relays(struct config_reading *reading, cfg_t *cfg)
{
	struct config *config = reading->config;

	config->nrelays = cfg_size(cfg, "relay");
	config->relays = array(reading, config->nrelays, sizeof(*config->relays));
	for (unsigned i = 0; i < config->nrelays; i++) {
		struct config_relay *relay = &config->relays[i];
		cfg_t *section = section_at(reading, cfg, "relay", i, &relay->name, &relay->place);

		read_keys(reading, section, SECTION_RELAY, relay, &relay->limits);
	}
}

static void read_tenants(struct config_reading *reading, cfg_t *cfg)
{
	struct config *config = reading->config;

	config->ntenants = cfg_size(cfg, "tenant");
	config->tenants = array(reading, config->ntenants, sizeof(*config->tenants));
	for (unsigned i = 0; i < config->ntenants; i++) {
		struct config_tenant *tenant = &config->tenants[i];
		cfg_t *section = section_at(reading, cfg, "tenant", i, &tenant->name, &tenant->place);

		read_keys(reading, section, SECTION_TENANT, tenant, &tenant->limits);
	}
}

static void read_rules(struct config_reading *reading, cfg_t *cfg)
{
	struct config *config = reading->config;

	config->nrules = cfg_size(cfg, "rule");
	config->rules = array(reading, config->nrules, sizeof(*config->rules));
	for (unsigned i = 0; i < config->nrules; i++) {
		struct config_rule *rule = &config->rules[i];
		cfg_t *section = section_at(reading, cfg, "rule", i, &rule->name, &rule->place);
		const struct value *match = cfg_opt_getnptr(cfg_getopt(section, "match"), 0);

		read_keys(reading, section, SECTION_RULE, rule, NULL);
		rule->match_place = match ? match->place : rule->place;
	}
	config_read_local_rules(reading);
}

/* The limits that hold where nothing is said. */
static void read_built_in(struct config_reading *reading)
{
	struct config *config = reading->config;
	struct config_value_room room = {&config->arena, 25};

	config->limits = limits_unset();
	for (unsigned i = 0; i < LIMIT_KEYS; i++) {
		const struct config_key *key = &config_keys[i];
		struct slice *texts = array(reading, RETRY_STEPS_MAX, sizeof(*texts)), at;
		const char *why = "";
		unsigned n;

		CHECK(key->is_limit);
		if (!key->fallback)
			continue;
		n = split(slice_of(key->fallback), texts, RETRY_STEPS_MAX, config_kind_is_list(key->kind));
		CHECK(config_value_read(key, texts, n, &config->limits, &room, &at, &why));
	}
}

static void read_all(struct config_reading *reading, cfg_t *cfg)
{
	static const enum config_section once[] = {SECTION_REDIS,  SECTION_DNS,		SECTION_QUEUE,
						   SECTION_EVENTS, SECTION_SUPPRESSION, SECTION_ALARMS};

	read_built_in(reading);
	read_keys(reading, cfg, SECTION_TOP, reading->config, NULL);
	for (size_t i = 0; i < sizeof(once) / sizeof(once[0]); i++)
		read_keys(reading, cfg_getsec(cfg, config_sections[once[i]].name), once[i], reading->config, NULL);
	read_sources(reading, cfg);
	read_pools(reading, cfg);
	read_sites(reading, cfg);
	read_domains(reading, cfg);
	read_relays(reading, cfg);
	read_tenants(reading, cfg);
	read_rules(reading, cfg);
}

/* Parses what the lint let pass. */
static void parse(struct config_reading *reading)
{
	struct arena scratch = {0};
	cfg_t *cfg;

	under_way = reading;
	cfg = cfg_init(options(&scratch, SECTION_TOP), CFGF_NONE);
	CHECK(cfg != NULL);
	cfg_set_error_function(cfg, on_error);
	if (cfg_parse_buf(cfg, reading->text.clean.ptr) != CFG_SUCCESS && reading->problems.count == 0)
		config_problem_at(reading, NULL, "cannot be parsed");
	if (reading->problems.count == 0)
		read_all(reading, cfg);
	if (reading->problems.count == 0)
		config_check(reading);
	cfg_free(cfg);
	under_way = NULL;
	arena_free(&scratch);
}

static struct config *finish(struct config_reading *reading, bool good)
{
	struct config *config = reading->config;

	if (good)
		parse(reading);
	config_text_free(&reading->text);
	if (good && reading->problems.count == 0)
		return config;
	config_free(config);
	return NULL;
}

static struct config *config_new(struct config_reading *reading, const char *path, struct outbuf *problems)
{
	struct config *config = calloc(1, sizeof(*config));

	CHECK(config != NULL);
	*reading = (struct config_reading){.config = config, .path = path, .problems = {.out = problems}};
	config->path = arena_copy(&config->arena, slice_of(path));
	return config;
}

struct config *config_read_text(struct slice text, const char *path, struct outbuf *problems)
{
	struct config_reading reading;
	struct config *config = config_new(&reading, path, problems);

	return finish(&reading, config_lint_text(text, path, &config->arena, &reading.text, problems));
}

struct config *config_read(const char *path, struct outbuf *problems)
{
	static const char standard[] = "/etc/hikyaku/hikyaku.conf";
	struct config_reading reading;
	struct config *config;

	if (!path)
		path = getenv("HIKYAKU_CONF");
	if (!path || !*path)
		path = access(standard, F_OK) == 0 || errno != ENOENT ? standard : NULL;
	if (path) {
		config = config_new(&reading, path, problems);
		return finish(&reading, config_lint(path, &config->arena, &reading.text, problems));
	}
	config = config_read_text(SLICE("divert = \"discard\"\n"), "built-in", problems);
	if (config) {
		config->is_default = true;
		config->path = SLICE_NONE;
	}
	return config;
}
