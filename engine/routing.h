/* Where the configuration sends the mail of a domain, before the DNS is asked, or instead of it. */
#pragma once

#include "base/slice.h"

struct config;
struct routes;

/* Routes as the configuration has them (route, divert, a relay that is an address), or NULL: ask the DNS. The caller
 * gets one count. */
struct routes *routing_fixed(const struct config *config, struct slice domain);
/* Whether they lead where the configuration of now has it go: its home may have asked by an older one. To a relay it
 * matters, since whoever is there hears our password. */
bool routing_fits(const struct config *config, struct slice domain, const struct routes *routes);
/* Whether the domain is asked for an MTA-STS policy: routes of the configuration have none, who wants no TLS wants
 * none, and `sts = false` says so. */
bool routing_asks_policy(const struct config *config, struct slice domain, const struct routes *routes);
