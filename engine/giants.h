/* Giants: sites that one worker cannot serve, and so several do, its parts: the owner of the site and the workers after
 * it (DESIGN.md, decision 1). What the site may is counted for all of them together (scheduler/common.h).
 *
 * The owner decides, once a second. A site has as many parts as `parts` in its section says. Where that says nothing
 * it has one, and twice as many each time the owner had no processor time left for some seconds, mostly for this site,
 * and more of its mail was waiting; and one again when that is long over. It never has more parts than connections.
 *
 * A receiver that does not take what comes (it refuses us for now, or has shown how many messages or connections it
 * takes) is served by one worker: what binds is the receiver, and what there is to be learned is learned in one place.
 */
#pragma once

#include "worker.h"

struct routes;

/* The owner of the domain's site, and the workers that are its parts, as bits; the owner is one of them. */
struct giant {
	unsigned owner;
	uint64_t workers;
};

struct giant giant_of(const struct worker *worker, struct slice domain, const struct routes *routes);
/* For once a second. */
void giants_tick(struct worker *worker, uint64_t now_ms);
/* A lease of the list is over and left so many in it: if that is more than this worker sends soon, the other parts are
 * told of it. Before the scheduler hears of the lease. */
void giants_share(struct worker *worker, struct ready *list, uint64_t remaining);
