/* Which value of a limit holds: the nearest along the lane's axis. The places where a limit may be written are put in a
 * row, nearest first, once; then each key goes along the row until one has it. The table of keys does the rest, so a
 * new limit is merged and explained without a line here. */
#include "config_keys.h"
#include "config_read.h"

#include <stddef.h>
#include <string.h>

enum { ROW_MAX = 128 + 7 }; /* a name has at most 127 labels */

struct seat {
	const struct limits *limits;
	const char *kind;
	struct slice title, inner; /* inner: the source in a site */
};

struct row {
	struct seat seats[ROW_MAX];
	unsigned n;
};

static void add(struct row *row, const struct limits *limits, const char *kind, struct slice title, struct slice inner)
{
	if (row->n < ROW_MAX)
		row->seats[row->n++] = (struct seat){limits, kind, title, inner};
}

static void add_domain(struct row *row, const struct config *config, struct slice name)
{
	struct map_node *node = map_find(&config->domains_by_name, name);

	if (node) {
		const struct config_domain *domain = MAP_OWNER(node, struct config_domain, node);

		add(row, &domain->limits, "domain", domain->name, SLICE_NONE);
	}
}

/* The next wider pattern for a domain: "*.b.example", then "*.example" for a.b.example. rest shrinks with it, room has
 * 256 bytes. False when there is none. */
static bool widen(struct slice *rest, char *room, struct slice *pattern)
{
	size_t dot = slice_find(*rest, '.');
	struct slice tail = slice_skip(*rest, dot);

	if (tail.len < 2 || tail.len >= 255)
		return false;
	room[0] = '*';
	memcpy(room + 1, tail.ptr, tail.len);
	*pattern = (struct slice){room, tail.len + 1};
	*rest = slice_skip(tail, 1);
	return true;
}

static void add_suffixes(struct row *row, const struct config *config, struct slice domain)
{
	struct slice pattern;
	char room[256];

	while (widen(&domain, room, &pattern))
		add_domain(row, config, pattern);
}

static void add_site_source(struct row *row, const struct config_site *site, struct slice source)
{
	for (unsigned i = 0; site && i < site->nsources; i++)
		if (slice_is(site->sources[i].source, source))
			add(row, &site->sources[i].limits, "site", site->name, source);
}

static void explain(const struct config_key *key, const struct limits *limits, const struct seat *seat,
		    struct outbuf *why)
{
	const struct config_place *place = seat->limits->places ? seat->limits->places[key - config_keys] : NULL;

	outbuf_printf(why, "%s ", key->name);
	config_value_print(key, limits, why);
	if (place)
		outbuf_printf(why, ": %.*s:%u %s", SLICE_ARG(place->file), place->line, seat->kind);
	else if (seat->limits->places && seat->title.len)
		outbuf_printf(why, ": built-in of %s", seat->kind);
	else
		outbuf_printf(why, ": built-in%s%.*s", seat->title.len ? ": " : "", SLICE_ARG(seat->title));
	if (seat->limits->places && seat->title.len)
		outbuf_printf(why, " \"%.*s\"", SLICE_ARG(seat->title));
	if (place && seat->inner.len)
		outbuf_printf(why, " source \"%.*s\"", SLICE_ARG(seat->inner));
	outbuf_byte(why, '\n');
}

/* A site's own, and what we know of it. NULL: there is none. */
static void add_site(struct row *row, const struct config_site *site)
{
	if (site)
		add(row, &site->limits, "site", site->name, SLICE_NONE);
	if (site && site->built_in)
		add(row, site->built_in, "site", site->name, SLICE_NONE);
}

/* What holds wherever nothing nearer says otherwise. */
static void add_common(struct row *row, const struct config *config)
{
	add_domain(row, config, SLICE("*"));
	add(row, &config->limits, "queue", SLICE_NONE, SLICE_NONE);
}

/* Each key from the first seat that has it. */
static struct limits merge(const struct row *row, struct outbuf *why)
{
	struct limits limits = limits_unset();

	for (unsigned i = 0; i < LIMIT_KEYS; i++) {
		const struct config_key *key = &config_keys[i];
		unsigned at = 0;

		while (at < row->n && !config_value_is_set(key, row->seats[at].limits))
			at++;
		if (at == row->n)
			continue;
		memcpy((char *)&limits + key->offset, (const char *)row->seats[at].limits + key->offset,
		       config_kind_size(key->kind));
		if (why)
			explain(key, &limits, &row->seats[at], why);
	}
	if (limits.burst != LIMIT_UNSET && limits.rate.count > 0)
		limits.rate.burst = (uint64_t)limits.burst;
	return limits;
}

struct limits config_limits(const struct config *config, struct slice domain, struct slice site_name,
			    struct slice source, struct outbuf *why)
{
	const struct config_site *site = config_site_named(config, site_name);
	const struct config_relay *relay = config_relay_of(config, domain);
	struct row row = {.n = 0};

	if (relay)
		add(&row, &relay->protection, "relay", relay->name, SLICE_NONE);
	add_site_source(&row, site, source);
	add_domain(&row, config, domain);
	add_suffixes(&row, config, domain);
	if (relay)
		add(&row, &relay->limits, "relay", relay->name, SLICE_NONE);
	add_site(&row, site);
	add_common(&row, config);
	return merge(&row, why);
}

struct limits config_relay_limits(const struct config *config, const struct config_relay *relay)
{
	struct row row = {.n = 0};

	add(&row, &relay->protection, "relay", relay->name, SLICE_NONE);
	add(&row, &relay->limits, "relay", relay->name, SLICE_NONE);
	add_common(&row, config);
	return merge(&row, NULL);
}

struct limits config_site_limits(const struct config *config, struct slice site_name, struct slice source)
{
	const struct config_site *site = config_site_named(config, site_name);
	struct row row = {.n = 0};

	add_site_source(&row, site, source);
	add_site(&row, site);
	add_common(&row, config);
	return merge(&row, NULL);
}

/* Pools and protection are a domain's own wherever its mail goes. */
static bool limits_lanes(const struct limits *limits)
{
	static const size_t others[] = {offsetof(struct limits, pool), offsetof(struct limits, tls),
					offsetof(struct limits, sts)};

	for (unsigned i = 0; i < LIMIT_KEYS; i++) {
		bool other = false;

		for (unsigned j = 0; j < sizeof(others) / sizeof(others[0]); j++)
			other = other || config_keys[i].offset == others[j];
		if (!other && config_value_is_set(&config_keys[i], limits))
			return true;
	}
	return false;
}

static struct slice limiting(const struct config *config, struct slice name)
{
	struct map_node *node = map_find(&config->domains_by_name, name);
	const struct config_domain *domain = node ? MAP_OWNER(node, struct config_domain, node) : NULL;

	return domain && limits_lanes(&domain->limits) ? domain->name : SLICE_NONE;
}

struct slice config_own_limits(const struct config *config, struct slice domain)
{
	struct slice found = limiting(config, domain), pattern;
	char room[256];

	while (!found.len && widen(&domain, room, &pattern))
		found = limiting(config, pattern);
	return found;
}

void config_axis_explain(const struct limits *limits, const char *kind, struct slice title, struct outbuf *why)
{
	const struct seat seat = {limits, kind, title, SLICE_NONE};

	for (unsigned i = 0; i < LIMIT_KEYS; i++)
		if (config_value_is_set(&config_keys[i], limits))
			explain(&config_keys[i], limits, &seat, why);
}

static const struct config_domain *routed(const struct config *config, struct slice name)
{
	struct map_node *node = map_find(&config->domains_by_name, name);
	const struct config_domain *domain = node ? MAP_OWNER(node, struct config_domain, node) : NULL;

	return domain && (domain->nroutes > 0 || domain->relay.len > 0) ? domain : NULL;
}

const struct config_domain *config_route(const struct config *config, struct slice domain)
{
	const struct config_domain *found = routed(config, domain);
	struct slice pattern;
	char room[256];

	while (!found && widen(&domain, room, &pattern))
		found = routed(config, pattern);
	return found ? found : routed(config, SLICE("*"));
}

const struct config_relay *config_relay_of(const struct config *config, struct slice domain)
{
	const struct config_domain *section = config->divert == DIVERT_NONE ? config_route(config, domain) : NULL;

	return section ? section->via : NULL;
}

struct session_limits config_session_limits(const struct limits *limits)
{
	const int *s = limits->timeout_s;

	return (struct session_limits){
		.greeting_s = (unsigned)s[TIMEOUT_GREETING],
		.ehlo_s = (unsigned)s[TIMEOUT_EHLO],
		.mail_s = (unsigned)s[TIMEOUT_MAIL],
		.rcpt_s = (unsigned)s[TIMEOUT_RCPT],
		.data_s = (unsigned)s[TIMEOUT_DATA],
		.body_s = (unsigned)s[TIMEOUT_BODY],
		.eom_s = (unsigned)s[TIMEOUT_EOM],
		.rset_s = (unsigned)s[TIMEOUT_MAIL], /* RFC 5321 names no patience for RSET; it is as quick as MAIL */
		.quit_s = (unsigned)s[TIMEOUT_QUIT],
		.messages_max = (unsigned)limits->messages_per_connection, /* unlimited: the largest number */
		.window_max = (unsigned)limits->window,
	};
}
