/* A post office in a simulated world: the scheduler, unmodified, with thousands of domains at hundreds of sites, in the
 * hands of a driver that does what it says. Mail is counted, not written; minutes pass in milliseconds.
 *
 *     struct post_sim *sim = post_sim_begin(&(struct post_sim_setup){.seed = 7, .sites = 100, ...});
 *     post_sim_queue(sim, "b:d3-17.test:acme:nov", 500);      domain 3 of site 17
 *     post_sim_run(sim, 60000);
 *     post_sim_list(sim, "b:d3-17.test:acme:nov")->delivered
 *     post_sim_end(sim);
 *
 * What troubles a site is said by the setup's answers, asked each time. Everything takes its time: a lease, a
 * connection, a message. A turn of the driver does at most as many actions as the engine's, and takes a millisecond,
 * so that a crowd of sites can delay others here as it could there. */
#pragma once

#include "scheduler/scheduler.h"

#include "base/random.h"

/* What a server does: with a connection; with a message; what the DNS says. */
enum post_answer {
	POST_YES,
	POST_GREYLISTS, /* a message: 450, come back later */
	POST_CROWDED,	/* a connection: 421 */
	POST_SILENT,	/* a connection: no answer for 30 s */
	POST_SERVFAIL,	/* the DNS: no routes for now */
	POST_BROKE	/* a message: 421, and the connection is gone */
};

struct post_site {
	unsigned number;
	unsigned message_ms; /* how long one takes: to the last byte, and its reply after it */
	struct lane_limits limits;
	uint64_t delivered, attempts;
	void *rule; /* the test's */
};

struct post_list {
	struct map_far node;
	struct post_site *site;
	uint64_t queued, delivered, attempts;
	uint64_t known;	    /* of the queued, those at its front that have been tried before */
	struct list stamps; /* of a transactional list: when each of the queued came */
	bool transactional;
};

struct post_sim;

/* Something that will happen; embedded in whatever it happens to. */
struct post_event {
	void (*happen)(struct post_sim *sim, struct post_event *event);
	uint64_t due_ms, order;
	unsigned at;   /* its place in the heap, plus 1; 0: not waiting */
	bool borrowed; /* it is a test's, and freed by it */
};

struct post_sim_setup {
	uint64_t seed;
	unsigned sites, slots, records, message_ms;
	struct lane_limits limits; /* of every site */
	bool (*tenant_terms)(void *who, struct slice tenant, struct tenant_terms *terms);
	/* NULL: all is well. */
	enum post_answer (*resolved)(struct post_sim *sim, struct post_site *site, struct slice domain);
	enum post_answer (*connected)(struct post_sim *sim, struct post_site *site);
	enum post_answer (*asked)(struct post_sim *sim, struct post_site *site, bool known);
	/* The last byte of a transactional message is out, so long after it was queued. */
	void (*sent)(struct post_sim *sim, uint64_t waited_ms);
	void *who;
};

struct post_sim {
	struct post_sim_setup setup;
	struct scheduler *scheduler;
	struct random random;
	uint64_t now_ms, begun_ms, turns;
	struct post_site *sites;  /* owned, by number */
	struct map lists;	  /* owned */
	struct post_event **heap; /* owned: what happens next, the earliest first */
	unsigned nheap, room;
	uint64_t events; /* so far: a tie is broken by order */
	uint64_t delivered;
	uint64_t actions; /* of the scheduler */
};

struct post_sim *post_sim_begin(const struct post_sim_setup *setup);
void post_sim_end(struct post_sim *sim);
/* More mail in that list. */
void post_sim_queue(struct post_sim *sim, const char *list, uint64_t messages);
struct post_list *post_sim_list(struct post_sim *sim, const char *list);
/* event->happen is called at that time; the event is the caller's. */
void post_sim_at(struct post_sim *sim, struct post_event *event, uint64_t due_ms);
void post_sim_run(struct post_sim *sim, uint64_t ms);
