/* A site: the party at the other end. Domains with the same MX set are one site: their mail may share connections.
 * Those of one provider have one name, whether their hosts are the same or not; what holds for the name is counted in
 * its namesakes (namesakes.h).
 *
 * A site has its domains' ready lists (what can be leased now) and one place in the scheduler's queue of attention,
 * however many domains it has. Most sites of a large mailing wait for their turn: what only one with mail in hand
 * needs, one lane for each of our sources above all, is its traffic, and made before the first lease. */
#pragma once

#include "scheduler/fair.h"
#include "scheduler/lane.h"
#include "scheduler/namesakes.h"
#include "scheduler/site_limits.h"

#include "base/map.h"
#include "base/timer.h"

struct scheduler;

/* What a site is among those of its name. Domains with limits of their own are a site of their own: WITHIN counts in
 * what the others may do, BESIDE may do more than they and counts in their totals only. */
enum site_standing { SITE_ORDINARY, SITE_WITHIN, SITE_BESIDE };

/* What a site has since mail of it was first leased, beside its lanes. */
struct traffic {
	struct site *site;	     /* parent */
	struct namesakes *namesakes; /* counted; NULL: no other site has this name */
	struct list of_name;	     /* on its namesakes', if it has any */
	struct list in_line;	     /* ..., while it waits there */
	struct list unopened; /* on the scheduler's, while it could connect but may begin no connection just now */
	struct budget *total; /* owned: of all its lanes together; NULL: unlimited so far, or its namesakes have it */
	uint64_t pass;	      /* of the lane that leased last */
	struct timer timer;   /* when the next thing that waits by time is due */
	uint8_t first_lane;   /* the one that is looked at first, in turn */
};

/* There may be a hundred thousand of them: it is as small as it can be. */
struct site {
	struct map_node node;		  /* by its key, of the same memory: what makes it one (site_key) */
	const struct site_limits *limits; /* counted */
	struct list place;		  /* on one of the scheduler's lists: attention, hurry, starved */
	struct fair urgent, bulk;	  /* ready lists with mail; transactional ones apart */
	struct traffic *traffic;	  /* owned; NULL: no mail was leased yet */
	struct lane **lanes;		  /* owned, each for itself: a lane never moves; one a source */
	struct way *ways;		  /* owned, nways and their texts: where its mail goes */
	void *target;			  /* the engine's: where to connect */
	unsigned ndomains;		  /* domains that belong to it */
	uint16_t name_len;		  /* of the key's beginning: site_name */
	uint16_t nways;
	uint8_t standing;    /* enum site_standing */
	uint8_t nlanes;	     /* 0 without traffic */
	bool hurries : 1;    /* its place is among those with transactional mail to lease */
	bool starves : 1;    /* its place is among those that wait for a slot or for room for records */
	bool unroutable : 1; /* its routes say why mail cannot go: nothing is leased when they have aged */
	char text[];	     /* its key */
};

/* Where one of its ways leads: borrowed from it. */
struct exchanger_spec site_exchanger(const struct site *site, unsigned way);
/* It has traffic from now on, if it had none: mail of it is to be leased. */
void site_open(struct site *site);

/* A recipient domain that has mail. There may be a hundred thousand of them: it is as small as it can be. */
struct domain {
	struct map_node node;	  /* by name, of the same memory */
	struct site *site;	  /* the one its mail goes to; NULL until routed */
	struct list lists;	  /* struct ready of it, all */
	uint64_t sources;	  /* bit i: lane i may send its mail, where neither job nor tenant name a pool */
	uint64_t routes_until_ms; /* when to ask the DNS again */
	struct list asking;	  /* on the scheduler's list of questions to put */
	unsigned outstanding;	  /* deliveries leased and not settled */
	uint8_t protection;	  /* the engine's: what its mail demands of a connection */
	bool leaving : 1;	  /* released to another worker: nothing more is leased */
	bool asked : 1;		  /* put, and not answered yet */
	char text[];		  /* its name */
};

/* A ready list in Redis: recipients of one domain, class, tenant and campaign. */
struct ready {
	struct map_node node;  /* by name, of the same memory */
	struct domain *domain; /* parent */
	struct tenant *tenant; /* counted; never NULL */
	struct list of_domain; /* link */
	struct share *share;   /* its campaign's at its site; NULL: the site needs none (fair.h) */
	union {
		struct list turn; /* fair.c's, while in_turn: among the lists of its share */
		struct {
			struct lane *lane; /* whom it is for */
			uint16_t asked;	   /* records */
		} lease;		   /* while leasing: it has no turn then */
	};
	uint64_t sources;     /* bit i: lane i may send it */
	uint16_t campaign_at; /* where in the name the campaign begins */
	uint16_t pool_at;     /* where in the name its pool begins; 0: it has none */
	uint8_t parts_told;   /* the engine's: of its site, when they were told of it */
	bool transactional : 1;
	bool leasing : 1; /* a lease is under way */
	bool more : 1;	  /* it became non-empty again while a lease was under way */
	bool in_turn : 1; /* fair.c's: it may be chosen */
	bool held : 1;	  /* by an operator: nothing is leased from it */
	char text[];	  /* its name */
};

/* What makes it one: the name, and the MX set if the name is not it. */
static inline struct slice site_key(const struct site *site)
{
	return map_key(&site->node);
}

/* The engine's choice: "google", or the MX set. */
static inline struct slice site_name(const struct site *site)
{
	return slice_head(site_key(site), site->name_len);
}

/* There may be others of that name. */
static inline bool site_shares_name(const struct site *site)
{
	return site_key(site).len > site->name_len;
}

static inline struct slice domain_name(const struct domain *domain)
{
	return map_key(&domain->node);
}

static inline struct slice ready_name(const struct ready *list)
{
	return map_key(&list->node);
}

/* The campaign, and whatever follows it in the name: borrowed from it. */
static inline struct slice ready_campaign(const struct ready *list)
{
	return slice_skip(ready_name(list), list->campaign_at);
}

/* Its site's shares for its class; NULL while its domain has no site. */
static inline struct fair *ready_fair(const struct ready *list)
{
	struct site *site = list->domain->site;

	return site ? list->transactional ? &site->urgent : &site->bulk : NULL;
}
