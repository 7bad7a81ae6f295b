/* A pipeline: many questions to Redis in one round trip, for a thread that may block.
 *
 *     pipeline_say(&pipeline, (struct slice[]){SLICE("GET"), key}, 2, on_name, arrival);
 *     ...
 *     if (!pipeline_flow(&pipeline)) ...          lost: what was not heard may or may not have been done
 *
 * Questions only gather until pipeline_flow, which sends them, and hears the answers in their order. hear may not say
 * anything; it changes the state of whom it tells, and the next round asks accordingly. */
#pragma once

#include "queue/redis_sync.h"

struct pipeline_ask; /* who hears which answer */

struct pipeline {
	struct redisContext *redis; /* owned; NULL: not connected */
	struct pipeline_ask *asks;  /* owned */
	unsigned nasks, size;
};

typedef void pipeline_hear(void *who, const struct redisReply *reply);

/* False with a sentence in why (RING_WHY_MAX bytes). Answers take at most timeout_ms. */
bool pipeline_open(struct pipeline *pipeline, const struct redis_server *server, unsigned timeout_ms, char *why);
void pipeline_close(struct pipeline *pipeline);
static inline bool pipeline_is_open(const struct pipeline *pipeline)
{
	return pipeline->redis != NULL;
}
/* Appends a question; its arguments are copied. */
void pipeline_say(struct pipeline *pipeline, const struct slice *argv, unsigned argc, pipeline_hear *hear, void *who);
/* Sends what was said and hears all of it. False when the connection is lost: it is closed, and why says how; nobody is
 * told NULL. */
bool pipeline_flow(struct pipeline *pipeline, char *why);
/* Questions said and not yet flowed. */
static inline unsigned pipeline_asked(const struct pipeline *pipeline)
{
	return pipeline->nasks;
}
