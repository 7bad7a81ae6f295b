/* The sites whose certificates were verified before this engine started, by what Redis keeps (PREFIX:{0}:trust, a HASH
 * of site → when, in milliseconds of the wall clock): a trust store changes with the machine, and a machine that
 * changes is started again, so that what was usual must outlive that for an alarm to be raised (trust.h).
 *
 *     trusted_read(&engine->trusted, redis, prefix, wall_ms);       at the start
 *     if (trusted_has(&engine->trusted, site)) trust_recall(&target->trust);
 *     trusted_note(notes, site, wall_ms);                           it was so once more, in this hour
 *
 * Read only by then: threads may share it. */
#pragma once

#include "base/map.h"

#include <stdbool.h>

struct notes;
struct redisContext;

struct trusted {
	struct map by_site;
};

/* What is older than a week is forgotten, in Redis too. False: Redis did not answer. */
bool trusted_read(struct trusted *trusted, struct redisContext *redis, struct slice prefix, uint64_t wall_ms);
bool trusted_has(const struct trusted *trusted, struct slice site);
void trusted_note(struct notes *notes, struct slice site, uint64_t wall_ms);
void trusted_free(struct trusted *trusted);
