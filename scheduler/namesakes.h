/* Namesakes: the sites of one name. Mail goes only to hosts of its own domain, so domains that one provider serves with
 * different hosts are different sites. What we allow ourselves at that provider holds for them
 * together, per source as in a lane and over all sources, and for those of other workers too: common.h counts it. So is
 * what domains with limits of their own have there (enum site_standing).
 *
 * A site that finds these limits used up stands in line, and is called when there is room: a thousand sites that wait
 * for one provider cost one timer.
 *
 *     namesakes_limit(namesakes, &terms)                    the limits of now
 *     if (!namesakes_admits(namesakes, lane, urgent, now))  connections are used up, but for the reserved
 *             namesakes_wait(site, until_ms, now)           called then, or when a connection is closed
 *     namesakes_call(namesakes)                             one was closed: the next one's turn
 *
 * Where several workers serve the name, each may have its share of the connections, and more while nobody who has less
 * wants them. Then the next of its connections that has said what it had to say is closed:
 *
 *     if (namesakes_yields(namesakes, lane, now))           this one: counted until it is closed
 *             ... namesakes_yielded(namesakes, lane) */
#pragma once

#include "scheduler/common.h"
#include "scheduler/load.h"

#include "base/list.h"
#include "base/map.h"
#include "base/timer.h"

struct lane;
struct scheduler;
struct site;
struct site_terms;

/* Connections of this scheduler. */
struct namesakes_count {
	unsigned open;	   /* or being opened */
	unsigned yielding; /* of them: to be closed for another worker's sake */
};

struct namesakes_source {
	struct common_source *common; /* borrowed: the common's */
	struct namesakes_count count;
};

struct namesakes {
	struct scheduler *scheduler;	  /* parent */
	struct map_node node;		  /* by name, of the same memory */
	struct common *common;		  /* counted */
	unsigned workers;		  /* that are to serve it at once, as configured; 0: as it needs */
	unsigned parts_max;		  /* no more parts than connections, so that each has one */
	struct namesakes_source *sources; /* owned array: by lane */
	unsigned nsources;
	struct namesakes_count count; /* over all sources */
	struct load load;
	struct list sites; /* traffic of those here */
	struct list line;  /* sites that wait, in order */
	struct timer timer;
	char text[]; /* the name */
};

/* Found by its name, or made. One more site has it: the one whose traffic has that link. */
struct namesakes *namesakes_hold(struct scheduler *scheduler, struct slice name, struct list *of_name);
/* That site less; freed with the last. */
void namesakes_drop(struct namesakes *namesakes, struct list *of_name);
void namesakes_limit(struct namesakes *namesakes, const struct site_terms *terms);
/* One more connection may be opened on that lane of one of its sites, for transactional mail or for bulk. */
bool namesakes_admits(struct namesakes *namesakes, const struct lane *lane, bool urgent, uint64_t now_ms);
bool namesakes_yields(struct namesakes *namesakes, const struct lane *lane, uint64_t now_ms);
void namesakes_yielded(struct namesakes *namesakes, const struct lane *lane);
/* The site gets attention when there may be room; until_ms: when a rate lets the next one go, 0 if that is not known.
 */
void namesakes_wait(struct site *site, uint64_t until_ms, uint64_t now_ms);
/* There is room for one. */
void namesakes_call(struct namesakes *namesakes);
