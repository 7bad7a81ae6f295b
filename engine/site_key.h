/* Which site a domain belongs to, by its routes: what people call it, and which hosts it means. Only mail for the same
 * hosts may share a connection, so a site is both; what is called by one name shares its limits
 * (scheduler/namesakes.h).
 *
 *     gmail.com, aspmx.l.google.com and others    "google aspmx.l.google.com,alt1.aspmx.l.google.com"
 *     a.example, mx.a.example alone               "a.example mx.a.example"
 *     c.example, through the relay "ses"          "relay ses smtp.relay.example:587"
 *     x.example there, which has limits of its own   "google aspmx.l.google.com,alt1.aspmx.l.google.com within
 * x.example" b.example, mx.one.example, mx.two.example   "mx.one.example,mx.two.example" */
#pragma once

#include "config.h"

#include "dns/dns.h"
#include "scheduler/site.h"

/* The configured or built-in site that the domain, or its best MX hosts, belong to; NULL: none, or it has a relay. */
const struct config_site *site_key_configured(const struct config *config, struct slice domain,
					      const struct routes *routes);
/* The name: the relay, the configured site, the common organisational domain of the best MX hosts, or all their names.
 * Appends. */
void site_key_name(const struct config *config, struct slice domain, const struct routes *routes, struct outbuf *out);
/* Whether the domain has limits of its own at its site, and whether they allow more than the site's. One without a
 * route, with a relay or diverted has not. */
enum site_standing site_key_standing(const struct config *config, struct slice domain, const struct routes *routes);
/* The key: the name, and behind it, if the name does not say them, all hosts; and whose limits hold, if it
 * is the domain's own. Appends; how many bytes of it are the
 * name. */
size_t site_key_write(const struct config *config, struct slice domain, const struct routes *routes,
		      struct outbuf *out);
