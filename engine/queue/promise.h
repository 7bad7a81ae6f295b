/* The promise: what a Redis, embedded or not, will still have of what it has acknowledged.
 *
 *     struct redis_promise promise = promise_of(redis);
 *     if (promise.error[0]) fail(promise.error);
 *     printf("promise: %s\n", promise_name(promise.kind)); */
#pragma once

#include "queue/redis_sync.h"

enum promise {
	PROMISE_DURABLE, /* append-only file, fsync before each acknowledgement */
	PROMISE_SECOND,	 /* fsync each second: a power cut may cost about a second */
	PROMISE_NONE,	 /* no append-only file, or no fsync */
	PROMISE_UNKNOWN, /* we may not ask for the settings */
};

struct redis_promise {
	enum promise kind;
	char error[RING_WHY_MAX]; /* not empty: this Redis cannot be used: what it is, what is needed, what to change */
};

/* "durable", "about a second", "none", "unknown": the words of CONTRACT.md. */
const char *promise_name(enum promise kind);
/* By INFO and CONFIG GET. An error: older than 7.0; a maxmemory-policy that may drop keys; lost. */
struct redis_promise promise_of(struct redisContext *redis);
