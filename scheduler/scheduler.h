/* The scheduler: who may send what now.
 *
 * Pure: no clock, no network, no Redis; time and chance come in as arguments, and what should be done comes out of
 * scheduler_next, one action at a time. The engine does it and reports back.
 *
 *     scheduler_offer(s, "b:a.example:acme:nov", now);         a list has mail
 *     scheduler_routed(s, domain, &spec, now);                 where its mail goes
 *     while (scheduler_next(s, &next, now))
 *             switch (next.kind) {
 *             case NEXT_ASK:     ask the DNS about next.domain
 *             case NEXT_LEASE:   lease next.count records of next.list for next.lane
 *             case NEXT_CONNECT: open a connection on next.lane
 *             case NEXT_SEND:    an idle connection of next.lane may take mail
 *             case NEXT_RETURN:  give what waits on next.lane back to the queue: it rests
 *             }
 *     scheduler_leased(...); scheduler_report(...);            what became of it
 *     scheduler_tick(s, now);                                  time has passed
 *
 * Only sites for which something can be done are looked at: a site that waits for a time has a timer, one that waits
 * for mail or an answer waits for that. A hundred thousand throttled domains cost nothing. */
#pragma once

#include "scheduler/site.h"

struct scheduler;

struct scheduler_setup {
	unsigned slots;	  /* connections in all */
	unsigned records; /* records in memory in all */
	uint64_t seed;
	struct commons *commons; /* borrowed: what it counts together with other schedulers; NULL: there is no other */
	void (*site_gone)(struct site *site); /* frees site->target; may be NULL */
	/* Asked when a tenant has mail, and at scheduler_terms: false, or NULL itself, means weight 1 and no budget. */
	bool (*tenant_terms)(void *who, struct slice tenant, struct tenant_terms *terms);
	/* Asked of a list whose name has a pool, when it has mail: the lanes that may send it. 0, or NULL itself: as if
	 * the name had none. */
	uint64_t (*pool_sources)(void *who, struct slice pool);
	void *who;
};

/* Where a domain's mail goes: what makes the site, and the limits of each lane (one a source). */
struct site_spec {
	struct slice name;
	struct slice key; /* begins with the name, and says which hosts; empty: the name is enough. Sites of one name
			     share its limits */
	struct pace_limit total_rate;	  /* over all lanes; count 0: unlimited */
	unsigned total_connections;	  /* ...; 0: unlimited */
	const struct lane_limits *limits; /* borrowed; nlanes of them */
	unsigned nlanes;		  /* never fewer than before: a lane whose source is gone has `ended` limits */
	uint64_t sources; /* bit i: lane i may send this domain's mail, unless a job or tenant says other */
	const struct exchanger_spec *exchangers; /* borrowed; one a route, for every lane */
	unsigned nexchangers;
	uint64_t routes_until_ms;      /* ask again then */
	bool unroutable;	       /* the DNS says why mail cannot go; ask before the next lease after that time */
	uint8_t protection;	       /* the engine's: what the domain demands of a connection */
	enum site_standing standing;   /* what its key says: a site keeps the one it was made with */
	unsigned workers;	       /* that are to serve its name at once, as configured; 0: as it needs */
	const struct site_spec *named; /* not ORDINARY: limits of its name, which the ordinary ones have. Borrowed */
};

enum next_kind { NEXT_ASK, NEXT_LEASE, NEXT_CONNECT, NEXT_SEND, NEXT_RETURN };

struct next {
	enum next_kind kind;
	struct domain *domain;
	struct ready *list;
	struct lane *lane;
	struct exchanger *exchanger; /* CONNECT: to be connected to; SEND: one with an idle connection */
	unsigned count;
};

/* What happened on a lane, at one of its exchangers. The first six count connections: each of them is reported OPENED
 * or one of UNOPENED and UNREACHABLE once, and CLOSED once if it was opened. */
enum report_kind {
	REPORT_OPENED,	 /* a connection is made and greeted; it counts as idle */
	REPORT_BUSY,	 /* an idle connection took a transaction */
	REPORT_IDLE,	 /* a busy one has none any more */
	REPORT_CLOSED,	 /* an open one is gone, from idle or busy as `idle` says */
	REPORT_UNOPENED, /* one being opened is gone for a reason that is not the site's (no slot, no source address) */
	REPORT_UNREACHABLE, /* one being opened could not be: this exchanger would not talk to us, nor would another */
	REPORT_CROWDED,	    /* a connection was not let in, or was thrown out; it is counted otherwise */
	REPORT_DELIVERED,   /* recipients were accepted, or refused for a reason that says nothing of the lane */
	REPORT_SLOWER,	    /* the exchanger says: too much */
	REPORT_REST,	    /* the site would not have this source for a while */
};

struct report {
	enum report_kind kind;
	struct exchanger *exchanger; /* NULL: the lane's first */
	bool idle;		     /* CLOSED: it had no transaction */
	bool yields;		     /* CLOSED: for another worker's sake (lane_yields) */
	unsigned recipients;	     /* DELIVERED: accepted; SLOWER: refused for that */
	unsigned others;	     /* DELIVERED: attempted and not accepted */
	uint64_t delay_ms; /* UNREACHABLE, CROWDED, SLOWER, REST: the time the receiver named; 0: by what is known */
	struct slice why;  /* what the site said */
};

struct scheduler *scheduler_new(const struct scheduler_setup *setup, uint64_t now_ms);
void scheduler_free(struct scheduler *scheduler);

/* The list has mail (it became non-empty). Its domain must have been routed, otherwise NEXT_ASK comes first. The name
 * is as in queue/record.h. */
void scheduler_offer(struct scheduler *scheduler, struct slice list, uint64_t now_ms);
/* Where the domain's mail goes from now on. Returns its site; a new one has target NULL. */
struct site *scheduler_routed(struct scheduler *scheduler, struct slice domain, const struct site_spec *spec,
			      uint64_t now_ms);
/* The domain goes to another worker: nothing more of it is leased. Forgotten when nothing of it is outstanding. */
void scheduler_release(struct scheduler *scheduler, struct domain *domain);
bool scheduler_next(struct scheduler *scheduler, struct next *next, uint64_t now_ms);
/* The answer to NEXT_LEASE: got records have come, remaining are left in the list. */
void scheduler_leased(struct scheduler *scheduler, struct ready *list, unsigned got, uint64_t remaining,
		      uint64_t now_ms);
void scheduler_report(struct scheduler *scheduler, struct lane *lane, const struct report *report, uint64_t now_ms);
/* The connection of NEXT_CONNECT is not opened after all: it is as if it had not been asked for. What it was for must
 * have gone from the lane. */
void scheduler_forgo(struct scheduler *scheduler, struct lane *lane, struct exchanger *exchanger);
/* A connection that is being opened could not be, at this exchanger: where it may try instead, counted there from now
 * on; NULL: nowhere. */
struct exchanger *scheduler_reroute(struct scheduler *scheduler, struct lane *lane, struct exchanger *exchanger,
				    uint64_t now_ms);
/* So many connections may be begun until this is called again, those for transactional mail not counted, and nearly as
 * many as came to an end of being opened, well or not, since sites were held up: where receivers answer, few may be
 * allowed and many are opened; those that stall make place for none. Sites that were held up get attention. Until it is
 * first called there may be any number. */
void scheduler_allow_connects(struct scheduler *scheduler, unsigned most);
/* How many of them are left; 0 with sites held up. */
unsigned scheduler_connects_left(const struct scheduler *scheduler);
/* Something about the lane has changed (mail came to its ready list, records were settled): look at it again. */
void scheduler_look(struct scheduler *scheduler, struct lane *lane);
/* Records in memory: taken when they come, given when they are settled. */
void scheduler_hold(struct scheduler *scheduler, struct domain *domain);
void scheduler_drop(struct scheduler *scheduler, struct domain *domain);
/* Memory that records need beside themselves (their messages), in records: so many fewer are leased until it is given
 * back. */
void scheduler_take_room(struct scheduler *scheduler, unsigned records);
void scheduler_give_room(struct scheduler *scheduler, unsigned records);
/* Nothing is leased from the list (an operator paused it), or again. */
void scheduler_hold_list(struct scheduler *scheduler, struct ready *list, bool held);
/* Nothing is leased, sent or connected on the lane (an operator paused it), or again. */
void scheduler_hold_lane(struct scheduler *scheduler, struct lane *lane, bool held);
/* The lane and its exchangers need not rest any more. */
void scheduler_wake(struct scheduler *scheduler, struct lane *lane);
/* Recipients of that tenant were leased and go back untried: its budget has them again. */
void scheduler_untried(struct scheduler *scheduler, struct slice tenant, unsigned recipients);
/* The configuration was read again: tenants' terms and pools are asked for anew. */
void scheduler_terms(struct scheduler *scheduler);
/* No new leases and connections (Redis away, drain), or again. */
void scheduler_pause(struct scheduler *scheduler, bool paused);
void scheduler_tick(struct scheduler *scheduler, uint64_t now_ms);
/* How long nothing will come of itself; at most cap_ms. */
uint64_t scheduler_wait_ms(const struct scheduler *scheduler, uint64_t now_ms, uint64_t cap_ms);

struct domain *scheduler_domain(struct scheduler *scheduler, struct slice name);
struct ready *scheduler_list(struct scheduler *scheduler, struct slice name);
/* For status and reload. */
const struct map *scheduler_namesakes(const struct scheduler *scheduler);
const struct map *scheduler_sites(const struct scheduler *scheduler);
const struct map *scheduler_domains(const struct scheduler *scheduler);
struct random *scheduler_random(struct scheduler *scheduler);
