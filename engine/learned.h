/* What was learned of receivers, beyond the life of a lane and of the engine: for each site, source and MX address how
 * many messages in how long it takes and how many connections it lets us have. All workers share it, and it lies in
 * Redis: PREFIX:{0}:learned, a HASH of "SITE|SOURCE|ADDRESS" → "COUNT WINDOW CONNECTIONS TIME" (ms, 0: not known).
 *
 *     learned_read(&engine->learned, redis, prefix);       at the start, when the shard is ours
 *     learned_recall(conn);                                before its exchanger is used: what is known is taken up
 *     learned_note(conn);                                  after it was used: what is new is kept
 *     learned_write(&engine->learned, notes, false);       now and then: at most every ten seconds, unless told `now`
 *
 * The older, the less it is trusted: by half after a day, not at all after a week. All zero is empty and valid. */
#pragma once

#include "base/map.h"

#include <pthread.h>

struct conn;
struct notes;
struct redisContext;

struct learned {
	pthread_mutex_t lock;
	struct map by_name;
	uint64_t written_ms; /* by the calendar */
};

void learned_free(struct learned *learned);
/* False: Redis did not answer. */
bool learned_read(struct learned *learned, struct redisContext *redis, struct slice prefix, uint64_t wall_ms);
void learned_write(struct learned *learned, struct notes *notes, uint64_t wall_ms, bool now);
void learned_recall(const struct conn *conn);
void learned_note(const struct conn *conn);
