/* The keeper: one thread an engine that keeps its shard of the queue in order, over a connection of its own.
 *
 *     struct keeper *keeper = keeper_start(&setup);
 *     if (keeper_ready(keeper, 1000)) start the workers under keeper_epoch(keeper);   else: standby, ask again
 *     ... worker: if (keeper_beat_ms(keeper) + 10000 < now) start no MAIL ...
 *     keeper_stop(keeper);                                     after all workers' queues are closed
 *
 * It registers, or waits as a standby while another engine holds the shard: whose beat has not changed for 15 s of our
 * clock, with Redis reachable throughout, is taken for dead and its leases are given back. Then, until the end: beat
 * every 2 s; what is due goes back to its lists (promote), what has expired out of them (sweep); events are trimmed as
 * setup says; the public HASH of each job (CONTRACT.md) follows its counters within half a second; counts are taken
 * each second, and put into PREFIX:status:INSTANCE:keeper as JSON for 10 s. Five times a second it looks for orders of
 * operators and carries them out (desk.h).
 *
 * All questions below may be asked by any thread, and cost a load. */
#pragma once

#include "queue/redis.h"

struct desk_owner;
struct keeper;

/* Texts and groups are borrowed for the life of the keeper. */
struct keeper_setup {
	struct redis_server server;
	struct slice prefix;
	unsigned shard;
	struct slice instance;
	bool sure;	     /* an earlier engine of this name is dead: we hold the lock of its state directory */
	bool own_server;     /* Redis is the embedded one, whose file is mended before each start: see aof.h */
	struct slice policy; /* what to do with what a dead engine had begun: "retry", "hold", "assume-delivered" */
	/* What our last run, of that epoch, had under way: "lease:position,...". Of any other run, all that was leased
	 * is taken to have been. */
	struct slice begun;
	uint64_t begun_epoch;
	const struct slice *groups; /* events.groups: events stay until all of these have acknowledged them */
	unsigned ngroups;
	uint64_t keep_ms, max;	       /* events.keep, events.max */
	uint64_t suppression_keep_ms;  /* suppression.keep */
	const struct desk_owner *desk; /* told of controls (desk.h); NULL: nobody sends here */
};

/* How full the stream of events is. At FULL workers take no new leases. An event `alarm` tells each change. */
enum keeper_level { KEEPER_OK, KEEPER_HIGH, KEEPER_FULL };

/* The counts of the shard, about a second old. */
struct keeper_counts {
	uint64_t lists, ready, deferred, held, leased, events, oldest_ms;
};

struct keeper *keeper_start(const struct keeper_setup *setup);
/* Gives all that is still leased back unchanged, leaves the shard to whoever comes next, ends the thread. */
void keeper_stop(struct keeper *keeper);

/* True once we hold the shard and dead engines' leases are back; waits for it at most wait_ms. */
bool keeper_ready(struct keeper *keeper, unsigned wait_ms);
/* 0 until ready. */
uint64_t keeper_epoch(const struct keeper *keeper);
/* Another engine has taken over: everything must stop; the keeper has. */
bool keeper_is_fenced(const struct keeper *keeper);
/* Monotonic time (as ring_now_ms) of the last beat that Redis acknowledged; 0: none yet. */
uint64_t keeper_beat_ms(const struct keeper *keeper);
enum keeper_level keeper_level(const struct keeper *keeper);
struct keeper_counts keeper_counts(const struct keeper *keeper);
