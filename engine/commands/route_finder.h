/* Finding where a domain's mail goes, as the engine would: the configuration's routes first, then the DNS, on a ring of
 * its own.
 *
 *     struct route_finder finder;
 *     if (!route_finder_open(&finder, config)) return EXIT_FAILED;
 *     struct routes *routes = route_finder_ask(&finder, SLICE("a.example"));
 *     routes_free(routes);
 *     route_finder_close(&finder); */
#pragma once

#include "config.h"

#include "dns/dns.h"

struct route_finder {
	const struct config *config; /* borrowed */
	struct ring *ring;	     /* owned; others may use it too */
	struct dns *dns;	     /* owned */
	struct dns_ask ask;
	struct routes *routes; /* the answer */
};

/* False when io_uring cannot be used: said. */
bool route_finder_open(struct route_finder *finder, const struct config *config);
/* Waits for the answer; there always is one, after half a minute at the latest. Counted: routes_free. */
struct routes *route_finder_ask(struct route_finder *finder, struct slice domain);
void route_finder_close(struct route_finder *finder);
