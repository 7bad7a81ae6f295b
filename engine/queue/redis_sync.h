/* A blocking connection to Redis, for those who have a thread to themselves: the commands, the start of `run`, the
 * keeper. Workers use redis.h.
 *
 *     char why[RING_WHY_MAX];
 *     struct redisContext *redis = redis_sync_open(&server, 5000, why);
 *     if (!redis) fail(why);
 *     struct redisReply *reply = redis_sync_ask(redis, (struct slice[]){SLICE("GET"), key}, 2);
 *     ...
 *     freeReplyObject(reply);
 *     redisFree(redis);
 *
 * Contexts and replies are hiredis' own and owned by the caller. */
#pragma once

#include "queue/redis.h"

struct redisContext; /* hiredis/hiredis.h */

/* Connects, authenticates, selects the database. NULL on failure and, in why (RING_WHY_MAX bytes), a sentence: what was
 * tried, what came back, what to do. Every later call waits timeout_ms at most. */
struct redisContext *redis_sync_open(const struct redis_server *server, unsigned timeout_ms, char *why);
/* One question, one reply; NULL when the connection is lost (the context is useless then: redisFree). */
struct redisReply *redis_sync_ask(struct redisContext *redis, const struct slice *argv, unsigned argc);
/* Pipelining: append any number, then as many redis_sync_reply. */
void redis_sync_append(struct redisContext *redis, const struct slice *argv, unsigned argc);
struct redisReply *redis_sync_reply(struct redisContext *redis);
/* Into room (RING_WHY_MAX bytes): what went wrong, from the context's error or an error reply (may be NULL). */
const char *redis_sync_why(const struct redisContext *redis, const struct redisReply *reply, char *room);
/* The value of a line "name:value" in the text of INFO; SLICE_NONE if there is none. */
struct slice redis_sync_info(struct slice info, const char *name);
