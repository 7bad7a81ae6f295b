/* The nearest section decides: divert before a relay, a relay before a route of its own. */
#include "routing.h"

#include "config.h"
#include "dns/routes.h"
#include "site_key.h"

struct routes *routing_fixed(const struct config *config, struct slice domain)
{
	const struct config_relay *relay = config_relay_of(config, domain);
	const struct config_domain *section;

	if (config->divert == DIVERT_ADDRESS)
		return routes_fixed(domain, &config->divert_to, 1);
	if (relay && relay->address.len)
		return routes_fixed(relay->host_name, &relay->address, 1);
	section = config_route(config, domain);
	return section && section->nroutes ? routes_fixed(domain, section->routes, section->nroutes) : NULL;
}

bool routing_fits(const struct config *config, struct slice domain, const struct routes *routes)
{
	const struct config_relay *relay = config_relay_of(config, domain);

	if (!relay)
		return slice_is(routes->domain, domain);
	return slice_is(routes->domain, relay->host_name) &&
	       (routes->nroutes == 0 ||
		ntohs(routes->route[0].to.in.sin_port) == relay->port); /* IPv6 has it there too */
}

bool routing_asks_policy(const struct config *config, struct slice domain, const struct routes *routes)
{
	if (routes->fixed || routes->result != ROUTES_FOUND)
		return false;
	const struct config_site *site = site_key_configured(config, domain, routes);
	struct limits limits = config_limits(config, domain, site ? site->name : SLICE_NONE, SLICE_NONE, NULL);

	return limits.sts != 0 && limits.tls != TLS_NONE; /* a relay's has none */
}
