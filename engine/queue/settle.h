/* Settling: what became of leased records, told to Redis in batches of 128, or every 5 ms.
 *
 *     settle_open(&settle, ring, &errands, &shard);
 *     settle_add(&settle, &settlement);            copied
 *     settle_now(&settle);                         does not wait for the 5 ms
 *
 * A batch is one call of hikyaku_settle, kept until Redis has acknowledged it and repeated after a loss; several are
 * under way at a time. The answer is a letter each: O done, A it was already, S stale: another engine
 * holds the shard now.
 */
#pragma once

#include "queue/errand.h"
#include "queue/queue.h"

/* The first arguments of every call to the functions of a shard. */
struct shard {
	struct slice base;     /* "hikyaku:{0}"; borrowed */
	struct slice instance; /* borrowed */
	uint64_t epoch;
};

struct batch;

struct settle {
	struct ring *ring;	   /* borrowed */
	struct errands *errands;   /* borrowed */
	const struct shard *shard; /* borrowed */
	struct batch *filling;	   /* owned; NULL: none */
	struct list resting;	   /* owned batches */
	struct timer timer;	   /* when what is filled so far must go */
	unsigned unsettled;	   /* not acknowledged yet */
	bool complained;	   /* of an error, since the last acknowledgement */
	uint64_t done, already, stale;
	/* After an acknowledgement; fenced: Redis says that another engine holds the shard. */
	void (*settled)(struct settle *settle, bool fenced);
	/* Before that, for each item that has a mark. */
	void (*acknowledged)(struct settle *settle, uint32_t mark);
};

void settle_open(struct settle *settle, struct ring *ring, struct errands *errands, const struct shard *shard,
		 void (*settled)(struct settle *settle, bool fenced));
/* After errands_end. */
void settle_free(struct settle *settle);
void settle_add(struct settle *settle, const struct settlement *settlement);
void settle_now(struct settle *settle);
