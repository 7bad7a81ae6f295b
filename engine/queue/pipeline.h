/* A pipeline: many questions to Redis in one round trip, and the next round under way while this one is answered, for a
 * thread that may block.
 *
 *     pipeline_say(&pipeline, (struct slice[]){SLICE("GET"), key}, 2, on_name, arrival);
 *     ...
 *     pipeline_send(&pipeline);                     Redis works on it
 *     ... something that takes long ...
 *     if (!pipeline_flow(&pipeline, why)) ...       lost: what was not heard may or may not have been done
 *
 * Questions gather until pipeline_send or pipeline_flow. Neither waits for them to be taken: a thread of the pipeline's
 * writes. pipeline_flow hears the answers to what was sent by the flow before; with nothing new to send it hears all
 * that is outstanding. Answers come in the order of the questions. hear may not say anything; it changes the state of
 * whom it tells, and the next round asks accordingly. Whoever may not be asked twice remembers that an answer is
 * outstanding. */
#pragma once

#include "queue/redis_sync.h"

struct pipeline_ask;	/* who hears which answer */
struct pipeline_sender; /* the thread that writes */

struct pipeline {
	struct redisContext *redis;	/* owned; NULL: not connected */
	struct pipeline_sender *sender; /* owned; with redis */
	struct outbuf saying;		/* not sent yet */
	struct pipeline_ask *asks;	/* owned: those outstanding, then those to be sent */
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
/* Hands over what was said, and returns. */
void pipeline_send(struct pipeline *pipeline);
/* False when the connection is lost: it is closed, why says how, and nobody hears any more of what was asked. */
bool pipeline_flow(struct pipeline *pipeline, char *why);
/* Nothing is outstanding, and nothing to be sent. */
static inline bool pipeline_is_idle(const struct pipeline *pipeline)
{
	return pipeline->nasks == 0;
}
