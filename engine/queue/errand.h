/* An errand: a command to Redis that is asked until it is answered.
 *
 * It is kept as the bytes that travel and asked again after every loss, so it must be one whose repetition does no harm
 * (a lease has a nonce, a settlement its bit, a GET nothing to spoil). Embedded in its owner.
 *
 *     errand_init(&lease->errand, on_lease);
 *     errand_word(&lease->errand, SLICE("FCALL"));
 *     ...
 *     errand_send(&queue->errands, &lease->errand);         → answered, once
 *
 * A command answered with an error that is no loss may be handed back with errand_postpone: it is asked again in a
 * second. */
#pragma once

#include "queue/redis.h"

struct errands;

struct errand {
	/* The answer, borrowed for the call; NULL only from errands_end: there will be none. The errand is on no list
	 * then: it may be reused, postponed or freed. */
	void (*answered)(struct errand *errand, const struct redisReply *reply);
	struct errands *errands; /* parent, once sent */
	struct outbuf words;	 /* owned: arguments, encoded */
	unsigned count;		 /* of them */
	struct redis_ask ask;
	struct list link; /* of errands, while it is under way */
};

struct errands {
	struct ring *ring;   /* borrowed */
	struct redis *redis; /* borrowed */
	struct list waiting; /* not asked now */
	struct list asked;
	struct timer again;
};

void errands_init(struct errands *errands, struct ring *ring, struct redis *redis);
/* The connection is up: asks all that wait, oldest first. */
void errands_up(struct errands *errands);
bool errands_are_over(const struct errands *errands);
/* For the end, when the connection is closed: whoever waits is answered with NULL. */
void errands_end(struct errands *errands);

/* Cleared, memory of its words kept. */
void errand_init(struct errand *errand, void (*answered)(struct errand *errand, const struct redisReply *reply));
void errand_word(struct errand *errand, struct slice word);
void errand_number(struct errand *errand, uint64_t number);
/* Asks now, or as soon as the connection is up. */
void errand_send(struct errands *errands, struct errand *errand);
void errand_postpone(struct errand *errand);
