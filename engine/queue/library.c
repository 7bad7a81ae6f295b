/* The version is read from the text itself, so that there is one place to change it. FUNCTION LOAD REPLACE is atomic:
 * calls of other connections see the old functions or the new ones. */
#include "queue/library.h"

#include "base/check.h"
#include "base/log.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYOUT_VERSION = 1 };

/* Made by the linker from queue.lua. */
extern const char _binary_queue_lua_start[], _binary_queue_lua_end[];

struct slice library_text(void)
{
	return (struct slice){_binary_queue_lua_start, (size_t)(_binary_queue_lua_end - _binary_queue_lua_start)};
}

unsigned library_version(void)
{
	static const struct slice before = {"local VERSION = ", 16};
	struct slice text = library_text();
	uint64_t version = 0;

	while (text.len && !slice_starts(text, before))
		slice_until(&text, '\n');
	text = slice_skip(text, before.len);
	CHECK(slice_number(slice_trim(slice_until(&text, '\n')), 1000000, &version));
	return (unsigned)version;
}

/* What Redis has: its version, 0 when there is none; -1 with a sentence when it cannot be told. */
static int64_t loaded_version(redisContext *redis, char *why)
{
	struct slice argv[] = {SLICE("FCALL"), SLICE("hikyaku_version"), SLICE("0")};
	struct redisReply *reply = redis_sync_ask(redis, argv, 3);
	char cause[RING_WHY_MAX];
	int64_t version = -1;

	if (reply && resp_error(reply) == RESP_MISSING)
		version = 0;
	else if (reply && resp_error(reply) == RESP_FINE)
		version = (int64_t)resp_integer(reply);
	else
		snprintf(why, RING_WHY_MAX,
			 "asking Redis for its version of the functions: \"%.80s\"; Redis 7.0 or newer and the right "
			 "to FCALL are "
			 "needed",
			 redis_sync_why(redis, reply, cause));
	if (reply)
		freeReplyObject(reply);
	return version;
}

static bool load(redisContext *redis, char *why)
{
	struct slice argv[] = {SLICE("FUNCTION"), SLICE("LOAD"), SLICE("REPLACE"), library_text()};
	struct redisReply *reply = redis_sync_ask(redis, argv, 4);
	char cause[RING_WHY_MAX];
	bool loaded = reply && resp_error(reply) == RESP_FINE;

	if (!loaded)
		snprintf(why, RING_WHY_MAX,
			 "loading the functions into Redis: \"%.120s\"; the right to FUNCTION LOAD is needed",
			 redis_sync_why(redis, reply, cause));
	if (reply)
		freeReplyObject(reply);
	return loaded;
}

bool library_sync(struct redisContext *redis, char *why)
{
	int64_t has = loaded_version(redis, why), needs = library_version();

	if (has < 0)
		return false;
	if (has == needs)
		return true;
	if (has > needs) {
		snprintf(why, RING_WHY_MAX,
			 "Redis has the functions in version %lld and this program knows version %lld: use the newer "
			 "hikyaku, or "
			 "another Redis or prefix",
			 (long long)has, (long long)needs);
		return false;
	}
	return load(redis, why);
}

static bool agree_field(redisContext *redis, struct slice key, const char *field, struct slice ours, char *why)
{
	struct slice set[] = {SLICE("HSETNX"), key, slice_of(field), ours};
	struct slice get[] = {SLICE("HGET"), key, slice_of(field)};
	struct redisReply *reply = redis_sync_ask(redis, set, 4);
	char cause[RING_WHY_MAX];

	if (reply && resp_error(reply) == RESP_FINE) {
		freeReplyObject(reply);
		reply = redis_sync_ask(redis, get, 3);
	}
	bool same = reply && slice_is(resp_text(reply), ours);

	if (reply && !same && resp_error(reply) == RESP_FINE)
		snprintf(why, RING_WHY_MAX,
			 "%.*s in Redis says %s = %.40s, this configuration %.*s; they were fixed at the first start: "
			 "set them "
			 "alike, or use another prefix",
			 SLICE_ARG(slice_head(key, 60)), field, LOG_TEXT(resp_text(reply)),
			 SLICE_ARG(slice_head(ours, 40)));
	else if (!same)
		snprintf(why, RING_WHY_MAX, "reading %.*s from Redis: \"%.100s\"", SLICE_ARG(slice_head(key, 60)),
			 redis_sync_why(redis, reply, cause));
	if (reply)
		freeReplyObject(reply);
	return same;
}

bool library_agree(struct redisContext *redis, struct slice prefix, unsigned shards, char *why)
{
	struct outbuf key = {0};
	char count[16], layout[16];

	snprintf(count, sizeof(count), "%u", shards);
	snprintf(layout, sizeof(layout), "%d", LAYOUT_VERSION);
	outbuf_add(&key, prefix);
	outbuf_add(&key, SLICE(":meta"));
	bool agreed = agree_field(redis, outbuf_slice(&key), "version", slice_of(layout), why) &&
		      agree_field(redis, outbuf_slice(&key), "prefix", prefix, why) &&
		      agree_field(redis, outbuf_slice(&key), "shards", slice_of(count), why);

	outbuf_free(&key);
	return agreed;
}
