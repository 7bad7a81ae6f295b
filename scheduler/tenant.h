/* A tenant: whose mail it is. What it may over all sites and workers is counted in budgets that all workers share; what
 * waits for them is known here, for one worker.
 *
 * A connection counts to a tenant while it carries its mail, that is from a transaction's beginning to its end, and
 * while it is being opened for it. So mail that rides on a connection opened for another tenant counts, and an idle
 * connection counts to nobody. The right to have one more is a *ticket*:
 *
 *     if (tenant_grants(tenant, lane, &ticket, now))       a connection of that lane may carry its mail
 *             ... tenant_takes_back(tenant, &ticket, now); it carries no more of it
 *     else
 *             tenant_set_aside(tenant, lane, &delivery->link, urgent, now);
 *
 * Mail for which there is no ticket is *set aside* from its lane, so that mail of others behind it goes on. Each lane
 * has an anteroom a tenant for it; the anterooms of a tenant stand in line, those with transactional mail first. When a
 * ticket comes free the first is called: one message of it is the first of its lane again, and for CALL_MS nobody else
 * is given one. Workers do not talk about it: each looks every BUDGET_PATIENCE_MS while somebody stands in its line,
 * and a connection that has carried a tenant's mail for TURN_MS without a break stops if others wait. */
#pragma once

#include "scheduler/budget.h"

#include "base/list.h"
#include "base/map.h"
#include "base/timer.h"

struct lane;
struct scheduler;

/* What the configuration says of a tenant. */
struct tenant_terms {
	unsigned weight;	 /* 0 counts as 1 */
	struct budget *budget;	 /* borrowed, for the life of the process: recipients and connections; NULL: none */
	struct budget *connects; /* the same: connections opened in a time */
	uint64_t sources;	 /* bit i: lane i may send its mail; 0: as its domains say */
};

/* A tenant with mail at any site of this scheduler. */
struct tenant {
	struct map_node node;	     /* by name, which is of the same memory */
	struct scheduler *scheduler; /* parent */
	struct tenant_terms terms;
	unsigned nlists;       /* ready lists of it */
	unsigned kept;	       /* deliveries here, and connections being opened for it; forgotten with all of these */
	unsigned asked;	       /* records asked for and not come yet */
	unsigned aside;	       /* deliveries in its anterooms */
	struct list line;      /* of anterooms, first come first served */
	struct timer timer;    /* runs while somebody stands there */
	struct budget *wanted; /* it is counted there as waiting; NULL: it is not */
	uint64_t modest_until_ms; /* others are let go first */
};

/* All zero: none, or one that nobody counts. */
struct ticket {
	struct budget *budget; /* borrowed: where it is counted */
	uint64_t since_ms;
};

/* Somebody refers to it beyond its lists; the last to leave ends it. */
struct tenant *tenant_keep(struct tenant *tenant);
void tenant_leave(struct tenant *tenant);

/* How many of n more records of its bulk mail may be here, so that what waits for tickets fills nobody's memory. */
unsigned tenant_room(const struct tenant *tenant, unsigned n);
/* How long to wait before asking again; the more lists ask, the longer. */
uint64_t tenant_patience_ms(const struct tenant *tenant);

/* A connection of that lane, which carries none of its mail, may carry it from now on. */
bool tenant_grants(struct tenant *tenant, const struct lane *lane, struct ticket *ticket, uint64_t now_ms);
/* One may be opened there for it: this is a connection opened, too. */
bool tenant_grants_opening(struct tenant *tenant, const struct lane *lane, struct ticket *ticket, uint64_t now_ms);
/* A connection of that lane that carries its mail should stop, since others have waited long enough. */
bool tenant_yields(const struct tenant *tenant, const struct lane *lane, const struct ticket *ticket, uint64_t now_ms);
/* A ticket of nobody changes nothing. */
void tenant_takes_back(struct tenant *tenant, struct ticket *ticket, uint64_t now_ms);

/* From the lane's queue into the anteroom. */
void tenant_set_aside(struct tenant *tenant, struct lane *lane, struct list *link, bool urgent, uint64_t now_ms);
/* The longest waiting of it there is the first of its lane again. False: there is none. */
bool tenant_fetch(struct tenant *tenant, struct lane *lane);
/* Off the lane altogether, of whichever tenant; NULL: nothing is set aside there. */
struct list *lane_pop_aside(struct lane *lane);
/* Its anterooms go; who put something there still has it. */
void lane_clear_aside(struct lane *lane);
