/* A small ring that is turned until the one answer is there. The patience of the resolver ends before ours. */
#include "route_finder.h"

#include "console.h"
#include "routing.h"

#include "base/list.h"

enum { SOCKETS = 64, BUFFERS = 64, BUFFER_SIZE = 4096, TURN_MS = 100, PATIENCE_MS = 60000, FAREWELL_TURNS = 20 };

bool route_finder_open(struct route_finder *finder, const struct config *config)
{
	struct ring_setup ring_setup = {.sockets = SOCKETS, .buffers = BUFFERS, .buffer_size = BUFFER_SIZE};
	struct dns_setup dns_setup = {
		.servers = config->dns.servers,
		.nservers = config->dns.nservers,
		.trusted = config->dns.trusted,
		.smtp_port = (uint16_t)config->smtp_port,
		.allow_private = config->allow_private,
		.own_name = config->hostname,
	};
	char why[RING_WHY_MAX];

	*finder = (struct route_finder){.config = config};
	if (ring_open(&finder->ring, &ring_setup, why) < 0) {
		console_say("%s", why);
		return false;
	}
	finder->dns = dns_open(finder->ring, &dns_setup);
	return true;
}

static void on_routes(struct dns_ask *ask, struct routes *routes)
{
	LIST_OWNER(ask, struct route_finder, ask)->routes = routes;
}

struct routes *route_finder_ask(struct route_finder *finder, struct slice domain)
{
	unsigned long long end = console_now_ms() + PATIENCE_MS;
	struct routes *fixed = routing_fixed(finder->config, domain);
	const struct config_relay *relay = config_relay_of(finder->config, domain);

	if (fixed)
		return fixed;
	finder->routes = NULL;
	finder->ask.answered = on_routes;
	if (relay)
		dns_ask_host(finder->dns, &finder->ask, relay->host_name, (uint16_t)relay->port);
	else
		dns_ask(finder->dns, &finder->ask, domain);
	while (!finder->routes && console_now_ms() < end && ring_turn(finder->ring, TURN_MS) == 0)
		;
	if (!finder->routes) {
		dns_unask(finder->dns, &finder->ask);
		finder->routes = routes_fixed(domain, NULL, 0);
		finder->routes->result = ROUTES_LATER;
	}
	return finder->routes;
}

void route_finder_close(struct route_finder *finder)
{
	if (finder->dns)
		dns_free(finder->dns);
	for (int i = 0; finder->ring && i < FAREWELL_TURNS; i++) /* what is in flight comes home */
		ring_turn(finder->ring, 1);
	if (finder->ring)
		ring_free(finder->ring);
}
