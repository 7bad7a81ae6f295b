/* The public suffix list says where an organisation begins (libpsl). Only the best hosts make a name, as DESIGN.md has
 * it, but all are in the key: a stranger may name a provider's host behind his own, or in front of it, and neither his
 * mail nor theirs goes where it should not. */
#include "site_key.h"

#include <libpsl.h>
#include <stdlib.h>
#include <string.h>

static struct slice organisational(struct slice host)
{
	char *name = slice_copy(host);
	const char *domain = psl_registrable_domain(psl_builtin(), name);
	struct slice found = domain ? slice_skip(host, (size_t)(domain - name)) : host;

	free(name);
	return found;
}

/* The organisational domain all best hosts share, or SLICE_NONE. */
static struct slice shared_organisation(const struct routes *routes)
{
	struct slice shared = SLICE_NONE;

	for (unsigned i = 0; i < routes->nroutes; i++) {
		if (routes->route[i].preference != routes->route[0].preference)
			break;
		struct slice own = organisational(routes->hosts[routes->route[i].host]);

		if (shared.len && !slice_is(shared, own))
			return SLICE_NONE;
		shared = own;
	}
	return shared;
}

static int by_name(const void *a, const void *b)
{
	return slice_order(*(const struct slice *)a, *(const struct slice *)b);
}

static void host_set(const struct routes *routes, struct outbuf *out)
{
	struct slice hosts[ROUTES_MAX];

	memcpy(hosts, routes->hosts, routes->nhosts * sizeof(*hosts));
	qsort(hosts, routes->nhosts, sizeof(*hosts), by_name);
	for (unsigned i = 0; i < routes->nhosts; i++) {
		if (i)
			outbuf_byte(out, ',');
		outbuf_add(out, hosts[i]);
	}
}

/* Those of the best preference that can be talked to; how many. */
static unsigned best_hosts(const struct routes *routes, struct slice hosts[ROUTES_MAX])
{
	unsigned n = 0;

	for (unsigned i = 0; i < routes->nroutes && routes->route[i].preference == routes->route[0].preference; i++)
		if (i == 0 || routes->route[i].host != routes->route[i - 1].host)
			hosts[n++] = routes->hosts[routes->route[i].host];
	return n;
}

const struct config_site *site_key_configured(const struct config *config, struct slice domain,
					      const struct routes *routes)
{
	struct slice hosts[ROUTES_MAX];
	unsigned n = best_hosts(routes, hosts);

	if (config_relay_of(config, domain))
		return NULL;
	return config_site_of(config, domain, hosts, n);
}

/* How the name says which hosts are meant. */
enum hosts_named { HOSTS_NAMED, HOSTS_OF_DNS, HOSTS_OF_CONFIGURATION, HOST_OF_RELAY };

static void add_address(const struct routes *routes, unsigned route, struct outbuf *out)
{
	struct address address = routes_address(routes, route);
	char text[ADDRESS_TEXT_MAX];

	outbuf_add(out, address_text(&address, text));
}

static enum hosts_named name_site(const struct config *config, struct slice domain, const struct routes *routes,
				  struct outbuf *out)
{
	const struct config_site *site = site_key_configured(config, domain, routes);
	const struct config_relay *relay = config_relay_of(config, domain);
	const struct config_domain *fixed = config_route(config, domain);
	bool is_fixed = fixed && fixed->nroutes;
	struct slice shared;

	if (config->divert != DIVERT_NONE) {
		outbuf_add(out, SLICE("divert"));
		return HOSTS_NAMED;
	}
	if (routes->result != ROUTES_FOUND || routes->nroutes == 0) {
		outbuf_printf(out, "unroutable %.*s", SLICE_ARG(domain));
		return HOSTS_NAMED;
	}
	if (relay) {
		outbuf_printf(out, "relay %.*s", SLICE_ARG(relay->name));
		return HOST_OF_RELAY;
	}
	if (site)
		outbuf_add(out, site->name);
	else if (is_fixed)
		add_address(routes, 0, out);
	else if ((shared = shared_organisation(routes)).len)
		outbuf_add(out, shared);
	else
		host_set(routes, out);
	if (is_fixed)
		return HOSTS_OF_CONFIGURATION;
	return site || shared.len ? HOSTS_OF_DNS : HOSTS_NAMED;
}

void site_key_name(const struct config *config, struct slice domain, const struct routes *routes, struct outbuf *out)
{
	name_site(config, domain, routes, out);
}

static bool is_more(int own, int other)
{
	return other > 0 && (own <= 0 || own > other);
}

static bool is_faster(const struct rate *own, const struct rate *other)
{
	return other->count > 0 && (own->count == 0 || (double)own->count * (double)other->period_ms >
							       (double)other->count * (double)own->period_ms);
}

enum site_standing site_key_standing(const struct config *config, struct slice domain, const struct routes *routes)
{
	if (config->divert != DIVERT_NONE || routes->result != ROUTES_FOUND || routes->nroutes == 0 ||
	    config_relay_of(config, domain) || !config_own_limits(config, domain).len)
		return SITE_ORDINARY;
	const struct config_site *site = site_key_configured(config, domain, routes);
	struct slice name = site ? site->name : SLICE_NONE;
	struct limits own = config_limits(config, domain, name, SLICE_NONE, NULL);
	struct limits others = config_site_limits(config, name, SLICE_NONE);

	return is_more(own.connections, others.connections) || is_faster(&own.rate, &others.rate) ? SITE_BESIDE
												  : SITE_WITHIN;
}

size_t site_key_write(const struct config *config, struct slice domain, const struct routes *routes, struct outbuf *out)
{
	size_t before = out->len;
	enum hosts_named named = name_site(config, domain, routes, out);
	size_t name_len = out->len - before;
	enum site_standing standing = site_key_standing(config, domain, routes);

	if (named != HOSTS_NAMED)
		outbuf_byte(out, ' ');
	if (named == HOSTS_OF_DNS)
		host_set(routes, out);
	else if (named == HOST_OF_RELAY)
		outbuf_printf(out, "%.*s:%u", SLICE_ARG(config_relay_of(config, domain)->host_name),
			      config_relay_of(config, domain)->port);
	for (unsigned i = 0; named == HOSTS_OF_CONFIGURATION && i < routes->nroutes; i++) {
		if (i)
			outbuf_byte(out, ',');
		add_address(routes, i, out);
	}
	if (standing != SITE_ORDINARY)
		outbuf_printf(out, " %s %.*s", standing == SITE_WITHIN ? "within" : "beside",
			      SLICE_ARG(config_own_limits(config, domain)));
	return name_len;
}
