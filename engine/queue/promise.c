/* INFO may be asked by everybody; CONFIG GET is often denied where Redis is rented. What INFO alone tells is used then:
 * without an append-only file nothing is promised, with one it is not known how often it reaches the disk. */
#include "queue/promise.h"

#include "base/log.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

enum { REDIS_MAJOR_MIN = 7 };

const char *promise_name(enum promise kind)
{
	static const char *const names[] = {
		[PROMISE_DURABLE] = "durable",
		[PROMISE_SECOND] = "about a second",
		[PROMISE_NONE] = "none",
		[PROMISE_UNKNOWN] = "unknown",
	};

	return names[kind];
}

static void check_info(struct redis_promise *promise, struct slice info)
{
	struct slice version = redis_sync_info(info, "redis_version"),
		     policy = redis_sync_info(info, "maxmemory_policy");
	struct slice rest = version;
	uint64_t major = 0;

	if (!slice_number(slice_until(&rest, '.'), 1000, &major) || major < REDIS_MAJOR_MIN)
		snprintf(promise->error, sizeof(promise->error),
			 "this Redis is version %.30s; the queue needs 7.0 or newer",
			 version.len ? LOG_TEXT(version) : "unknown");
	else if (policy.len && !slice_is(policy, SLICE("noeviction")))
		snprintf(promise->error, sizeof(promise->error),
			 "this Redis may drop what is queued (maxmemory-policy is %.40s); needed: CONFIG SET "
			 "maxmemory-policy noeviction",
			 LOG_TEXT(policy));
}

/* The value of CONFIG GET name, as a promise. */
static enum promise ask_fsync(struct redisContext *redis)
{
	struct slice argv[] = {SLICE("CONFIG"), SLICE("GET"), SLICE("appendfsync")};
	struct redisReply *reply = redis_sync_ask(redis, argv, 3);
	enum promise kind = PROMISE_UNKNOWN;

	if (resp_count(reply) == 2) {
		struct slice value = resp_text(resp_at(reply, 1));

		kind = slice_is(value, SLICE("always"))	    ? PROMISE_DURABLE
		       : slice_is(value, SLICE("everysec")) ? PROMISE_SECOND
							    : PROMISE_NONE;
	}
	if (reply)
		freeReplyObject(reply);
	return kind;
}

struct redis_promise promise_of(struct redisContext *redis)
{
	struct redis_promise promise = {.kind = PROMISE_UNKNOWN};
	struct redisReply *reply = redis_sync_ask(redis, (struct slice[]){SLICE("INFO")}, 1);
	char cause[RING_WHY_MAX];
	bool appends = false;

	if (!reply || resp_error(reply) != RESP_FINE) {
		snprintf(promise.error, sizeof(promise.error), "asking Redis what it is (INFO): \"%.120s\"",
			 redis_sync_why(redis, reply, cause));
	} else {
		check_info(&promise, resp_text(reply));
		appends = slice_is(redis_sync_info(resp_text(reply), "aof_enabled"), SLICE("1"));
	}
	if (reply)
		freeReplyObject(reply);
	if (!promise.error[0])
		promise.kind = appends ? ask_fsync(redis) : PROMISE_NONE;
	return promise;
}
