/* The inside of the simulated queue, shared by its two files:
 *
 * store_sim.c   what lies in Redis: lists, leases, what is deferred, held and final; and what is true of it
 * queue_sim.c   queue.h: what workers ask, in the order they ask it, and when they are answered */
#pragma once

#include "base/map.h"
#include "queue_sim.h"

struct sim_list {
	struct map_far node; /* by name */
	char *name;	     /* owned */
	struct list ready;   /* of struct sim_recipient */
	unsigned count;
};

/* store_sim.c */
const struct map *store_lists(void);
/* Begins a lease; its number. */
uint64_t store_lease(void);
/* At most count records of a list for that lease, which is the latest; each is told. Returns how many. */
unsigned store_take(uint64_t lease, struct sim_list *list, unsigned count, const struct queue_owner *owner);
struct sim_list *store_list(struct slice name);
void store_settle(const struct settlement *settlement);
/* "job:TENANT:ID" or "body:SHA"; SLICE_NONE: there is none. */
struct slice store_value(struct slice name);

/* queue_sim.c: a list has mail that had none. */
void queue_sim_changed(struct sim_list *list);
void queue_sim_reset(struct sim_world *world);
bool queue_sim_is_idle(void);
