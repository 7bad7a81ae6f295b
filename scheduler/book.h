/* The scheduler's book: what scheduler.c, domain.c and site.c share, and nobody else sees. */
#pragma once

#include "scheduler/scheduler.h"

/* Of as many connections that are being opened no more, so many make place for another one. Not all: what was begun
 * while we were not behind comes down again. */
enum { CONNECTS_REPLACED = 15, CONNECTS_REPLACED_OF = 16 };

struct scheduler {
	struct map sites, namesakes, domains, lists, tenants;
	struct commons *commons; /* borrowed: of all workers */
	struct commons own;	 /* where there is no other */
	struct loads loads;
	struct map lane_limits, site_limits; /* sets of them, by what they say */
	struct list attention;		     /* sites for which something may be done */
	struct list hurry;    /* those of them that have transactional mail to lease: every second turn is theirs */
	bool hurried;	      /* the last turn was */
	struct list starved;  /* sites that wait for a slot or for room for records */
	struct list unopened; /* traffic of sites that could connect, but for connects_left */
	struct list asks;     /* domains whose routes are wanted */
	struct wheel wheel;
	struct random random;
	unsigned slots_free;
	unsigned connects_left; /* before scheduler_allow_connects is called again */
	unsigned connects_owed; /* for those that are being opened no more, each CONNECTS_REPLACED */
	int records_free;	/* below zero while more came than was asked for */
	bool paused;
	void (*site_gone)(struct site *site);
	bool (*tenant_terms)(void *who, struct slice tenant, struct tenant_terms *terms);
	uint64_t (*pool_sources)(void *who, struct slice pool);
	void *who;
};

/* Found, or made. */
struct domain *book_domain(struct scheduler *scheduler, struct slice name);
struct ready *book_list(struct scheduler *scheduler, struct slice name);
struct site *book_site(struct scheduler *scheduler, const struct site_spec *spec);
struct tenant *book_tenant(struct scheduler *scheduler, struct slice name);
void tenant_init(struct tenant *tenant, struct scheduler *scheduler);
/* Nothing of it is here any more. */
void tenant_clear(struct tenant *tenant);
/* Asks for its terms. */
void book_tenant_terms(struct scheduler *scheduler, struct tenant *tenant);
/* Freed if nothing holds it any more. */
void book_forget_domain(struct scheduler *scheduler, struct domain *domain);
void book_forget_list(struct scheduler *scheduler, struct ready *list);
void book_forget_tenant(struct scheduler *scheduler, struct tenant *tenant);
/* These limits hold from now on; there may be more lanes than before, never fewer. */
void book_limits(struct scheduler *scheduler, struct site *site, const struct site_spec *spec);
/* Where its mail goes now. */
void book_routes(struct site *site, const struct site_spec *spec);
void book_free_site(struct site *site);
bool book_forget_site(struct scheduler *scheduler, struct site *site, uint64_t now_ms);
/* Gets a turn at its site, if it may have one. */
void book_queue_list(struct scheduler *scheduler, struct ready *list);
/* Its mail goes to that site from now on. */
void book_move_domain(struct scheduler *scheduler, struct domain *domain, struct site *site);
/* Its timer's: it is forgotten, or gets attention. */
void book_site_due(struct timer *timer, uint64_t now_ms);
/* The site gets attention. */
void book_look(struct scheduler *scheduler, struct site *site);
/* One that waits for a slot or for room for records gets attention. */
void book_feed_starved(struct scheduler *scheduler);
/* What is to be done for this site now, if anything; sets its timer otherwise. */
bool site_next(struct scheduler *scheduler, struct site *site, struct next *next, uint64_t now_ms);
