/* Notes: what a worker tells Redis beside settling: a verdict that counts against an address, an event of its own, an
 * order to itself through the control stream.
 *
 *     notes_suppress(queue_notes(queue), &verdict);
 *     notes_event(queue_notes(queue), SLICE("alarm"), json);
 *
 * Nobody waits for an answer. A note is asked again after a loss of the connection, so it may be written twice; one
 * that Redis refuses is logged and dropped: it is about what happened, and the mail itself is settled elsewhere. */
#pragma once

#include "queue/errand.h"
#include "queue/settle.h"
#include "queue/suppression.h"

struct notes {
	struct errands *errands; /* borrowed, like all that follows */
	const struct shard *shard;
	struct slice prefix;
	struct outbuf words; /* owned: scratch */
	unsigned under_way;
	void (*written)(struct notes *notes); /* after each answer: it may have been the last that was waited for */
};

void notes_open(struct notes *notes, struct errands *errands, const struct shard *shard, struct slice prefix,
		void (*written)(struct notes *notes));
/* After errands_end. */
void notes_free(struct notes *notes);
/* More notes than that are dropped until some have been answered. */
enum { NOTES_MAX = 10000 };

void notes_suppress(struct notes *notes, const struct suppression_verdict *verdict);
/* An event that belongs to no job. data: a JSON object. */
void notes_event(struct notes *notes, struct slice type, struct slice data);
/* A field of a HASH of the shard, named by what follows the shard's own name ("warm"). */
void notes_put(struct notes *notes, struct slice hash, struct slice field, struct slice value);
/* Adds to such a field, as to a number. Asked again after a loss of the connection it may be added twice. */
void notes_add(struct notes *notes, struct slice hash, struct slice field, uint64_t n);
/* An entry of the control stream, as an operator would add it. match: a JSON object. */
void notes_order(struct notes *notes, struct slice what, struct slice match, struct slice by);
