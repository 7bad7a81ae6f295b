/* A worker: one thread, one ring, and everything that happens on it. Nothing here is shared with another worker but
 * engine->stats; workers talk by messages to each other's rings. */
#pragma once

#include "breaker.h"
#include "engine.h"
#include "judge.h"
#include "scoreboard.h"
#include "watch.h"

#include "base/pool.h"
#include "dns/dns.h"
#include "queue/queue.h"
#include "scheduler/scheduler.h"
#include "tls/tls.h"

struct worker {
	unsigned number;
	struct engine *engine;	     /* parent */
	const struct config *config; /* the current one; older ones live as long as the process */
	struct stats *stats;	     /* borrowed: the engine's */
	struct ring *ring;	     /* owned, like all that follows */
	struct dns *dns;
	struct queue *queue;
	struct scheduler *scheduler;
	struct underway *underway;
	struct control_set *controls; /* in force here, counted; NULL: nothing was ever asked for */
	uint64_t controls_ms;	      /* since when; 0: that it is was told to who asked */
	uint64_t retried;	      /* the id of the latest retry that has ended rests here */
	struct judge judge;
	struct breaker breaker;
	struct watch watch;
	struct scoreboard scoreboard;
	struct tls *tls;
	struct outbuf plain; /* scratch: what a TLS record says */
	struct pool conns, transactions, deliveries;
	struct map mailings, bodies, hosts, homes;
	struct map policies;	       /* what domains ask for by MTA-STS (policies.h) */
	struct map tls_tallies;	       /* what came of TLS, for who wants to know (tls_tally.h) */
	unsigned merges_seen;	       /* of sites that have fewer parts (giants.h) */
	bool merging;		       /* some of its homes have to hear of it yet */
	uint64_t look_ms, look_cpu_ms; /* when sites were last looked at for that, and our processor time then */
	struct list sts_questions;     /* under way (sts_ask.h) */
	struct list open_conns;	       /* all connections, whatever their state */
	struct list idle_mailings;     /* those nobody uses, the longest unused first */
	size_t kept_bytes;	       /* of their messages */
	struct outbuf event, settled;  /* scratch for one settlement */
	struct lease_want wants[LEASE_LISTS_MAX];
	unsigned nwants, nrecords;
	uint64_t connects_ms;		   /* when connections were last allowed to be begun */
	unsigned nasked;		   /* records asked for and not come yet */
	uint64_t events, connections;	   /* numbers given so far */
	uint64_t refusals[CATEGORY_COUNT]; /* recipients that were not accepted, by why, for status */
	struct timer second;		   /* once a second: status and ageing */
	bool redis_away, fenced, draining, closing_queue, queue_closed;
	atomic_bool is_over;	/* its thread has ended */
	atomic_bool is_running; /* its ring may be woken */
	uint64_t drain_until_ms;
	uint64_t seed; /* of what it leaves to chance; 0: one that nobody knows */
	int error;     /* of the ring: why it could not go on, -errno */
};

/* Runs until drained (worker_drain) or fenced; the thread's whole life. Returns false, with a line in the log, when it
 * could not start. Its ring is still there then, because other workers may send it letters until they are over too:
 * worker_close comes after that, from any thread. */
bool worker_run(struct worker *worker);
/* What worker_run is made of, for a world in which several workers share a thread (tests/sim):
 *
 *     if (!worker_open(worker)) give up;
 *     while (worker_turn(worker)) ...           false: it is over
 *     worker_close(worker);                     what is still in dialogue or leased must not be freed: then it leaks
 */
bool worker_open(struct worker *worker);
bool worker_turn(struct worker *worker);
void worker_close(struct worker *worker);

/* From another thread: finish what is in dialogue, give the rest back, end; at the latest at grace_ms from now. A
 * second call with 0 ends at once. `from` is a ring of the calling thread. */
void worker_drain(struct worker *worker, struct ring *from, uint64_t grace_ms);
/* From another thread: use this configuration from now on. */
void worker_configure(struct worker *worker, struct ring *from, const struct config *config);

/* Mail may be begun and finished: Redis has heard from us lately and nobody has taken over (QUEUE.md, Instances). */
bool worker_may_send(const struct worker *worker);

uint64_t worker_now_ms(const struct worker *worker);
uint64_t worker_wall_ms(const struct worker *worker);
