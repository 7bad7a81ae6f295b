/* The append-only file of Redis, after a crash: half a transaction at its end must not be kept.
 *
 * What a function of the queue changes is written between MULTI and EXEC. When redis-server is killed in the middle of
 * that write, Redis 7.0 cuts off the half command at the end, but leaves the MULTI and the commands after it. They
 * are not applied then. But the next transaction is appended behind them, and at the restart after that both are
 * applied: records taken from a list that are in no lease, events that come twice. (Seen here once in about 200
 * kills; valkey-io/valkey, pull request 4342, describes and cures it.) */
#pragma once

#include "queue/redis_sync.h"

/* For a server of our own, before it starts: cuts the incomplete transaction off the file in directory (the "dir" of
 * Redis). Files that are whole, absent or not understood are left alone. The number of bytes cut, or -1 with a sentence
 * in why (RING_WHY_MAX bytes) when it cannot be written. */
int64_t aof_mend(const char *directory, char *why);
/* For anybody else's: if Redis has been restarted since the last call for this shard (base: "hikyaku:{0}"), asks it to
 * rewrite its file from what it has in memory. */
void aof_renew(struct redisContext *redis, struct slice base);
