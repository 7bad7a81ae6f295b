/* Axes: what is counted beyond one lane, and so by all workers together: each source's limits over all sites, each
 * tenant's over everything.
 *
 * A source has a *slot* from the first configuration that names it until the engine ends: lane i of every site is that
 * of slot i. A reload keeps the slots of sources that stay and gives new ones to those that are new; the slot of one
 * that is gone is empty, and its lanes end.
 *
 *     axes_follow(&engine->axes, config);                      main thread: at the start, and before a reload is told
 *     lane.budgets[0] = axes_source(&engine->axes, slot);      workers: at any time
 *
 * What is handed out lives as long as the axes. All zero is empty and valid. */
#pragma once

#include "config.h"

#include "scheduler/fair.h"

#include <pthread.h>

struct axis_source {
	char *name;		/* owned; NULL: never used. "" is any address of this machine */
	struct budget budget;	/* recipients and connections */
	struct budget connects; /* connections opened */
	atomic_bool is_away;	/* its address was not on this machine when it was last tried */
};

struct axes {
	pthread_mutex_t lock; /* of the tenants */
	struct axis_source sources[CONFIG_SOURCES_MAX];
	struct map tenants;
};

/* Gives the configuration's sources their slots, and the budgets their limits. */
void axes_follow(struct axes *axes, struct config *config);
void axes_free(struct axes *axes);

struct budget *axes_source(struct axes *axes, unsigned slot);
struct budget *axes_connects(struct axes *axes, unsigned slot);
/* Its address is not, or is again, on this machine: told once in the log. */
void axes_source_away(struct axes *axes, const struct config_source *source, bool is_away);
bool axes_source_is_away(struct axes *axes, unsigned slot);
/* For the scheduler. False: the configuration says nothing of this tenant. */
bool axes_tenant_terms(struct axes *axes, const struct config *config, struct slice tenant, struct tenant_terms *terms);

/* Bit i: the source of slot i is in the pool. 0: there is no such pool, or no name. */
uint64_t axes_pool(const struct config *config, struct slice pool);
/* The sources that there are. */
uint64_t axes_all(const struct config *config);
