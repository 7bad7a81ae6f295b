/* Namesakes: the sites of one name. Mail goes only to hosts of its own domain, so domains that one provider serves with
 * different hosts are different sites. What we allow ourselves at that provider holds for them
 * together, and is counted here: per source as in a lane, and over all sources. So is what domains with limits of their
 * own have there (enum site_standing).
 *
 * A site that finds these limits used up stands in line, and is called when there is room: a thousand sites that wait
 * for one provider cost one timer.
 *
 *     namesakes_limit(namesakes, &terms)                 the limits of now
 *     if (!namesakes_admits(namesakes, lane, urgent))    connections are used up, but for the reserved
 *             namesakes_wait(site, until_ms, now_ms)     called then, or when a connection is closed
 *     namesakes_call(namesakes)                          one was closed: the next one's turn */
#pragma once

#include "scheduler/budget.h"

#include "base/list.h"
#include "base/map.h"
#include "base/timer.h"

struct lane;
struct scheduler;
struct site;
struct site_terms;

struct namesakes {
	struct scheduler *scheduler; /* parent */
	struct map_node node;	     /* by name, of the same memory */
	unsigned nsites;
	struct budget total;	 /* over all sources */
	struct budget **sources; /* owned array of owned: by lane; one never moves, since lanes point at it */
	unsigned nsources;
	struct list line; /* sites that wait, in order */
	struct timer timer;
	char text[]; /* the name */
};

/* Found by its name, or made. One more site has it. */
struct namesakes *namesakes_hold(struct scheduler *scheduler, struct slice name);
/* One site less; freed with the last. */
void namesakes_drop(struct namesakes *namesakes);
void namesakes_limit(struct namesakes *namesakes, const struct site_terms *terms);
/* One more connection may be opened on that lane of one of its sites, for transactional mail or for bulk. */
bool namesakes_admits(const struct namesakes *namesakes, const struct lane *lane, bool urgent);
/* The site gets attention when there may be room; until_ms: when a rate lets the next one go, 0 if that is not known.
 */
void namesakes_wait(struct site *site, uint64_t until_ms, uint64_t now_ms);
/* There is room for one. */
void namesakes_call(struct namesakes *namesakes);
