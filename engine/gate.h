/* A gate: one thread of intake, with its own connection to Redis, its streams, and the entries on their way in.
 *
 * There are two, for intake.c: one for transactional jobs and one for the rest, so that nobody's password mail waits
 * while a job of ten thousand recipients is parsed. A gate turns: each turn every arrival says what its state needs, a
 * few slices of expansion are said in fair turns, new entries are asked for; and while Redis works on that, the answers
 * of the turn before are heard, and what came in them is parsed. With nothing on its way the read waits in Redis,
 * GATE_BLOCK_MS at a time.
 *
 * Large jobs are expanded only while the shard has fewer records ready than the high-water mark; transactional ones
 * always. Rules (what the configuration allows) are exchanged between turns. */
#pragma once

#include "shelf.h"

#include "base/stat.h"
#include "queue/job.h"
#include "queue/stream.h"

#include <pthread.h>

enum { GATE_BLOCK_MS = 20, GATE_SLICE = 256, INLET_ARRIVALS_MAX = 16 };

/* What the configuration says of intake. Owned by whoever uses it. */
struct rules {
	struct arena arena; /* owns what is below */
	struct job_limits limits;
	struct slice hostname;
	uint64_t high_water;
	const struct slice *tenants; /* those with a stream of their own */
	const unsigned *weights;     /* theirs */
	unsigned ntenants;
};
void rules_free(struct rules *rules);

/* A stream of the gate, and its entries. */
struct inlet {
	struct list link;  /* on the gate's list */
	struct gate *gate; /* parent */
	struct arena arena;
	struct stream stream;
	struct list arrivals;
	unsigned narrivals, nparked; /* all; those that wait for a message to be stored */
	uint64_t pass;		     /* its turns so far, divided by its weight */
	bool doing_chore;	     /* its answer is outstanding */
	bool has_group, retired;     /* retired: the configuration has it no more */
	uint64_t group_ms;	     /* not to be asked for before */
	uint64_t chores_ms;	     /* when to look for entries of engines that are gone */
	char gone[128];		     /* such an engine; empty: none */
	char claims[STREAM_CLAIM_MAX][STREAM_ID_MAX];
	unsigned nclaims;
};

struct gate_setup {
	struct redis_server server;
	struct slice prefix, instance; /* borrowed for the life of the gate */
	bool transactional;
	struct stats *stats;
};

struct gate {
	struct gate_setup setup;
	struct pipeline pipeline;
	struct stream_reader reader;
	struct slice base; /* "hikyaku:{0}" */
	char base_text[80];
	struct rules *rules; /* owned; those of this turn */
	struct shelf shelf;
	struct list inlets;
	struct map arrivals;	    /* by stream and id */
	size_t bytes;		    /* of all arrivals */
	unsigned unread;	    /* arrivals that nobody has looked at */
	unsigned reading;	    /* answers with entries outstanding */
	unsigned count;		    /* entries to read at a time, by how large they were */
	uint64_t placed;	    /* recipients expanded since that was asked */
	uint64_t ready, counted_ms; /* records in the shard, and when that was asked */
	uint64_t now_ms, wall_ms;   /* of this turn: monotonic, and the calendar's */
	uint64_t backoff_ms, connect_ms;
	uint64_t complained_ms;
	pthread_t thread;
	pthread_mutex_t lock; /* of what is below */
	pthread_cond_t wake;
	struct rules *next; /* owned: for the next turn */
	bool stopping;
};

/* Takes the rules over. NULL when there can be no thread. */
struct gate *gate_start(const struct gate_setup *setup, struct rules *rules);
void gate_configure(struct gate *gate, struct rules *rules);
/* Ends after the turn at hand; what is on its way stays pending in Redis, to be resumed. Frees. */
void gate_stop(struct gate *gate);
/* One line in the log about what Redis answered, at most one every ten seconds. */
void gate_complain(struct gate *gate, const char *doing, const struct redisReply *reply);
