/* The functions of the queue (queue.lua) and the layout of its keys, as Redis has them and as this program needs them.
 *
 *     if (!library_sync(redis, why)) fail(why);                      at start, and when a function is missing
 *     if (!library_agree(redis, prefix, shards, why)) fail(why);     at start
 *
 * Both leave a sentence in why (RING_WHY_MAX bytes) when they return false. */
#pragma once

#include "queue/redis_sync.h"

/* The text of queue.lua, which travels inside the program, and the version it states. */
struct slice library_text(void);
unsigned library_version(void);

/* Loads the functions unless Redis has this version already. Refuses when it has a newer one: another engine, newer
 * than this, works there. */
bool library_sync(struct redisContext *redis, char *why);
/* PREFIX:meta says how many shards there are, under which prefix, in which layout. Written at the first start; a
 * mismatch refuses, because recipients would be looked for where they are not. */
bool library_agree(struct redisContext *redis, struct slice prefix, unsigned shards, char *why);
