/* A pipeline: many questions to Redis in one round trip, and the next round under way while this one is answered, for a
 * thread that may block.
 *
 *     pipeline_say(&pipeline, (struct slice[]){SLICE("GET"), key}, 2, on_name, arrival);
 *     ...
 *     if (!pipeline_flow(&pipeline, why)) ...       lost: what was not heard may or may not have been done
 *
 * Questions gather until pipeline_flow. It sends them, and then hears the answers to those of the flow before: Redis
 * works while its last answers are worked on. With nothing new to send it hears all that is outstanding. Answers come
 * in the order of the questions. hear may not say anything; it changes the state of whom it tells, and the next round
 * asks accordingly. Whoever may not be asked twice remembers that an answer is outstanding. */
#pragma once

#include "queue/redis_sync.h"

struct pipeline_ask; /* who hears which answer */

struct pipeline {
	struct redisContext *redis; /* owned; NULL: not connected */
	struct pipeline_ask *asks;  /* owned: those outstanding, then those to be sent */
	unsigned nasks, size, nsent;
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
/* False when the connection is lost: it is closed, why says how, and nobody hears any more of what was asked. */
bool pipeline_flow(struct pipeline *pipeline, char *why);
/* Nothing is outstanding, and nothing to be sent. */
static inline bool pipeline_is_idle(const struct pipeline *pipeline)
{
	return pipeline->nasks == 0;
}
