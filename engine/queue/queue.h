/* The queue, as a worker sees it: the second seam to the world (the first is the ring).
 *
 * Behind it: Redis, its functions in queue.lua, one connection on the worker's ring (redis.c). In tests/sim another
 * implementation with the same functions. All answers come from ring_turn, through struct queue_owner.
 *
 *     queue_lease(queue, wants, nwants);          → owner->leased per record, then owner->lease_over per list
 *     queue_settle(queue, &settlement);           copied; sent in batches of 32, or every 5 ms
 *
 * While Redis is away nothing fails: leases asked for are repeated with the same nonce, settlements wait in memory and
 * are sent again (they are idempotent), fetches are repeated, and owner->away(true) says that nothing new should
 * start. A nonce, an epoch and a bitmap make every repetition harmless; see queue.lua. */
#pragma once

#include "queue/record.h"
#include "queue/redis.h"
#include "ring/ring.h"

struct queue;
struct notes;

/* Borrowed during queue_open, but the texts for the life of the queue. */
struct queue_setup {
	struct redis_server server;
	struct slice prefix; /* "hikyaku" */
	unsigned shard;
	struct slice instance; /* our name among engines; printable, no ':' */
	uint64_t epoch;	       /* from register */
	unsigned worker;       /* lease numbers of workers differ */
};

/* A leased record: its place in a lease is what settling names. Bytes are borrowed during the call. */
struct leased {
	uint64_t lease;
	uint32_t position;
	struct slice list;   /* the ready list it came from */
	struct slice record; /* see record.h */
};

struct queue_owner {
	/* A list became non-empty (or more was added after it was empty): it may be leased from. After Redis was away
	 * every list that is not empty is told again. */
	void (*changed)(void *who, struct slice list);
	/* A record is ours until it is settled. */
	void (*leased)(void *who, const struct leased *leased);
	/* The answer for this list is complete: got records came, remaining are left in it now. */
	void (*lease_over)(void *who, struct slice list, unsigned got, uint64_t remaining);
	/* Redis went away (true) or is back (false). It is away until the first away(false). */
	void (*away)(void *who, bool away);
	/* Redis has the settlement of this mark. */
	void (*acknowledged)(void *who, uint32_t mark);
	/* Another engine has taken over, or this one was declared dead: stop sending, drop all leases. */
	void (*fenced)(void *who);
	/* Redis refuses us until somebody changes something (password, ACL, database); why is a sentence. May be NULL:
	 * then it is logged. */
	void (*broken)(void *who, const char *why);
	void *who;
};

enum settle_verb { SETTLE_FINAL = 'f', SETTLE_LATER = 'l', SETTLE_BACK = 'b', SETTLE_HOLD = 'h' };

/* What became of a leased record. FINAL: one of the final events, exactly once whoever settles first. LATER: the new
 * record goes to the deferred set for delay_ms. BACK: to the head of its list, as it was. HOLD: waits for a person. */
struct settlement {
	uint64_t lease;
	uint32_t position;
	enum settle_verb verb;
	struct slice list;
	struct slice tenant, job;
	uint32_t index;
	uint64_t delay_ms;   /* LATER */
	struct slice record; /* LATER, HOLD: the bytes it has from now on; BACK: empty */
	struct slice type;   /* event type, "delivered"...; empty: no event */
	struct slice to;     /* event: the recipient's address */
	struct slice data;   /* event: JSON object */
	uint32_t mark;	     /* told to owner->acknowledged; 0: nobody is told */
	struct slice before_type,
		before_data; /* an event that comes before (uncertain, then delivered); mostly empty */
};

struct lease_want {
	struct slice list;
	unsigned count;
};

enum { LEASE_LISTS_MAX = 64, LEASE_RECORDS_MAX = 256 };

struct queue *queue_open(struct ring *ring, const struct queue_setup *setup, const struct queue_owner *owner);
/* Closes the connection when everything asked for is answered and all settlements are acknowledged, or at deadline_ms
 * (of ring_now_ms); then done(who) once, and queue_free. Records that are still being leased arrive meanwhile and can
 * be settled; what was not answered by the deadline is not told any more. */
void queue_close(struct queue *queue, uint64_t deadline_ms, void (*done)(void *who), void *who);
void queue_free(struct queue *queue);

/* Asks for changed lists now, rather than in the next 10 ms: after this worker's own expansion. */
void queue_look(struct queue *queue);
/* At most LEASE_LISTS_MAX lists and LEASE_RECORDS_MAX records in all. */
void queue_lease(struct queue *queue, const struct lease_want *wants, unsigned nwants);
void queue_settle(struct queue *queue, const struct settlement *settlement);
/* Where a worker writes down what happens beside (notes.h). */
struct notes *queue_notes(struct queue *queue);
/* Settlements not yet acknowledged by Redis. */
unsigned queue_unsettled(const struct queue *queue);
bool queue_is_away(const struct queue *queue);

/* Something that lies in Redis by name, asked for once. fetched gets the value, or SLICE_NONE if there is none;
 * bytes are borrowed during the call. */
struct queue_fetch {
	void (*fetched)(struct queue_fetch *fetch, struct slice value);
	struct list link; /* the queue's */
};
/* The stored message of that SHA-256 (64 hex digits). */
void queue_fetch_body(struct queue *queue, struct queue_fetch *fetch, struct slice sha);
/* What all recipients of a job share: the JSON object of its HASH field "meta". */
void queue_fetch_job(struct queue *queue, struct queue_fetch *fetch, struct slice tenant, struct slice job);
/* Publishes this worker's part of `status`; kept 10 s. */
void queue_put_status(struct queue *queue, struct slice json);
