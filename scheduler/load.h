/* Load: what one worker has to do for a name, for the engine, which decides once a second how many workers serve it.
 *
 *     load_count(site, n)                 recipients were delivered
 *     sent = loads_look(scheduler, now)   a second is over: all of them
 *     LIST_EACH (link, loads(scheduler))  LIST_OWNER(link, struct namesakes, load.looked_at)
 *
 * A hundred thousand names are not looked at each second: those are that several workers serve or are to serve, and the
 * one with most of the second's mail. */
#pragma once

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

struct namesakes;
struct scheduler;
struct site;

struct load {
	struct list looked_at;	 /* on the scheduler's */
	uint64_t second;	 /* the scheduler's, in which they were sent */
	uint64_t sent;		 /* recipients delivered in it */
	bool plenty;		 /* more was queued then than is here */
	unsigned busy_s, calm_s; /* the engine's: seconds in a row; while busy_s it is looked at */
};

/* Of a scheduler, in the second that is not over. */
struct loads {
	uint64_t second; /* counted up */
	uint64_t sent;
	struct namesakes *most; /* has sent more than any other; NULL: no name has */
	struct list looked_at;
};

void load_count(struct site *site, unsigned recipients);
/* How many recipients were delivered since the last time, in all. */
uint64_t loads_look(struct scheduler *scheduler, uint64_t now_ms);
const struct list *loads(const struct scheduler *scheduler);
/* It is looked at from now on; it may be so already. */
void load_watch(struct namesakes *namesakes);
/* It ends. */
void load_end(struct namesakes *namesakes);
