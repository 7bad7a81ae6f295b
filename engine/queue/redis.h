/* A Redis client on the ring: one connection, pipelined, that comes back by itself.
 *
 * The sockets are the ring's; hiredis' reader parses what comes. A question is a struct redis_ask embedded in its
 * owner; answers come in the order of the questions, from ring_turn.
 *
 *     static void on_body(struct redis_ask *ask, const struct redisReply *reply) { if (!reply) ask it again on up ... }
 *
 *     redis = redis_open(ring, &setup, &owner);               → owner->up
 *     body->ask.replied = on_body;
 *     redis_ask(redis, &body->ask, (struct slice[]){SLICE("GET"), key}, 2);
 *     redis_close(redis, closed, who);                        → closed, then redis_free
 *
 * Loss. When the connection ends, every unanswered ask is told NULL: whether Redis did it is unknown, so whoever asked
 * asks the same again after owner->up. Errors that pass by themselves (LOADING, BUSY, MASTERDOWN, TRYAGAIN,
 * CLUSTERDOWN, READONLY, MISCONF, NOREPLICAS, a missing function library) are treated as a loss too; the way back waits
 * 50 ms, then twice that and so on up to 2 s, and includes a probe that Redis takes writes. Errors of configuration
 * (NOAUTH, WRONGPASS, NOPERM, MOVED...) are a loss that owner->broken tells once with a sentence. All other
 * errors are answers. */
#pragma once

#include "queue/resp.h"
#include "ring/ring.h"

struct redis;

/* Where Redis is and who we are to it. */
struct redis_server {
	struct address address;
	struct slice user, password; /* empty: none */
	unsigned database;
};

struct redis_ask {
	/* The reply is borrowed for the call; NULL: the connection was lost before it came. */
	void (*replied)(struct redis_ask *ask, const struct redisReply *reply);
	struct list link; /* the client's while unanswered */
};

struct redis_owner {
	/* Connected, authenticated, and Redis takes writes: asks may be made. */
	void (*up)(void *who);
	/* Lost, after all unanswered asks were told; why is borrowed. Told only after an up. */
	void (*down)(void *who, const char *why);
	/* Redis refuses us for good unless somebody changes something; may be NULL. It is tried again all the same. */
	void (*broken)(void *who, const char *why);
	void *who;
};

struct redis_setup {
	struct redis_server server; /* its texts are borrowed for the life of the client */
	struct slice probe;	    /* a key that does not exist: deleting it proves that writing works; empty: PING */
	uint64_t patience_ms;	    /* silence while something is unanswered is a loss; 0: 15 s */
};

struct redis *redis_open(struct ring *ring, const struct redis_setup *setup, const struct redis_owner *owner);
/* Loses the connection for good; closed(who) is called from a later ring_turn. */
void redis_close(struct redis *redis, void (*closed)(void *who), void *who);
void redis_free(struct redis *redis);

/* True between up and down. Only then may anything be asked. */
bool redis_is_up(const struct redis *redis);
/* Asks; the arguments are copied. */
void redis_ask(struct redis *redis, struct redis_ask *ask, const struct slice *argv, unsigned argc);
/* The same, where the arguments have been encoded before (resp_argument), argc of them. */
void redis_ask_encoded(struct redis *redis, struct redis_ask *ask, struct slice encoded, unsigned argc);
