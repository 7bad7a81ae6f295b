/* The warm-ups in force: one for each source and site that the configuration warms it up for, shared by all workers,
 * and what of it lies in Redis: PREFIX:{0}:warm, a HASH of "SOURCE|SITE" → "DAY COUNT", so that a restart does not
 * begin the day anew.
 *
 *     warm_ups_read(&engine->warm_ups, redis, prefix);                              at the start, when the shard is
 * ours lane.warm_up = warm_ups_find(&engine->warm_ups, source, site, wall_ahead_ms); for each lane; NULL: none
 *     warm_ups_write(&engine->warm_ups, notes);                                     each second, and at the end
 *
 * What is handed out lives as long as the engine. All zero is empty and valid. */
#pragma once

#include "config.h"

#include "scheduler/warm_up.h"

#include <pthread.h>

struct notes;
struct redisContext;

struct warm_ups {
	pthread_mutex_t lock;
	struct map by_name;
};

void warm_ups_free(struct warm_ups *warm_ups);
/* NULL: the source is not warmed up for a site of that name. */
struct warm_up *warm_ups_find(struct warm_ups *warm_ups, const struct config_source *source, struct slice site,
			      int64_t wall_ahead_ms);
/* Counts of an earlier run. False: Redis did not answer. */
bool warm_ups_read(struct warm_ups *warm_ups, struct redisContext *redis, struct slice prefix);
/* Those that have changed since the last time. */
void warm_ups_write(struct warm_ups *warm_ups, struct notes *notes);
