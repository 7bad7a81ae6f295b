/* hiredis keeps the bytes, this keeps who asked. Whoever asked is not told of a loss: each of them has a state from
 * which the same question comes again, and a second way to hear "unknown" would be a second way to be wrong. */
#include "queue/pipeline.h"

#include "base/check.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

struct pipeline_ask {
	pipeline_hear *hear;
	void *who;
};

bool pipeline_open(struct pipeline *pipeline, const struct redis_server *server, unsigned timeout_ms, char *why)
{
	CHECK(!pipeline->redis && pipeline->nasks == 0);
	pipeline->redis = redis_sync_open(server, timeout_ms, why);
	return pipeline->redis != NULL;
}

void pipeline_close(struct pipeline *pipeline)
{
	if (pipeline->redis)
		redisFree(pipeline->redis);
	free(pipeline->asks);
	*pipeline = (struct pipeline){0};
}

void pipeline_say(struct pipeline *pipeline, const struct slice *argv, unsigned argc, pipeline_hear *hear, void *who)
{
	CHECK(pipeline->redis != NULL);
	if (pipeline->nasks == pipeline->size) {
		pipeline->size = pipeline->size ? 2 * pipeline->size : 64;
		pipeline->asks = realloc(pipeline->asks, pipeline->size * sizeof(*pipeline->asks));
		CHECK(pipeline->asks != NULL);
	}
	pipeline->asks[pipeline->nasks++] = (struct pipeline_ask){hear, who};
	redis_sync_append(pipeline->redis, argv, argc);
}

/* Sends all that hiredis has gathered. */
static bool send_all(struct pipeline *pipeline)
{
	int done = 0;

	while (!done)
		if (redisBufferWrite(pipeline->redis, &done) != REDIS_OK)
			return false;
	return true;
}

/* Hears the first n of those outstanding. */
static bool hear_some(struct pipeline *pipeline, unsigned n)
{
	unsigned nasks = pipeline->nasks;

	for (unsigned i = 0; i < n; i++) {
		struct redisReply *reply = redis_sync_reply(pipeline->redis);

		if (!reply)
			return false;
		pipeline->asks[i].hear(pipeline->asks[i].who, reply);
		freeReplyObject(reply);
		CHECK(pipeline->nasks == nasks);
	}
	pipeline->nasks -= n;
	memmove(pipeline->asks, pipeline->asks + n, pipeline->nasks * sizeof(*pipeline->asks));
	return true;
}

bool pipeline_flow(struct pipeline *pipeline, char *why)
{
	unsigned before = pipeline->nsent;

	if (pipeline->nasks == 0)
		return true;
	if (!send_all(pipeline) || !hear_some(pipeline, before < pipeline->nasks ? before : pipeline->nasks)) {
		redis_sync_why(pipeline->redis, NULL, why);
		pipeline_close(pipeline);
		return false;
	}
	pipeline->nsent = pipeline->nasks;
	return true;
}
