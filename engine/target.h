/* A target: what the engine knows of a site, beside what the scheduler counts: where to connect and from where. */
#pragma once

#include "trust.h"
#include "worker.h"

struct target {
	struct routes *routes;	     /* counted: the latest of any of its domains; all lead to the same hosts */
	const struct config *config; /* the one its limits were read from */
	unsigned nsources;	     /* lanes */
	const struct config_source **sources; /* owned array, by slot; NULL: any address of this machine, or ended */
	struct session_limits limits;
	int tls; /* enum tls_policy, of the latest of its domains */
	unsigned connect_s;
	bool unroutable; /* routes say why mail cannot go; nothing is connected */
	uint64_t answered_ms;
	struct trust trust;		  /* in its hosts' certificates */
	const struct config_relay *relay; /* NULL: it is none */
};

/* The site of a domain with these routes, in the scheduler, with its target up to date. Takes the count of routes. */
struct site *target_site(struct worker *worker, struct slice domain, struct routes *routes);
/* The worker has another configuration: its limits, sources, pools and tenants hold from now on. Where a domain's mail
 * goes may have changed too, so its home is asked again before the next lease. */
void target_reload(struct worker *worker);
/* The lane, its exchangers and their hosts need not rest any more: somebody knows that the receiver is back. What was
 * learned of what it takes stays. */
void target_wake(struct worker *worker, struct lane *lane);
/* For the scheduler: the site is gone. */
void target_free(struct site *site);

static inline struct target *target_of(const struct site *site)
{
	return site->target;
}
