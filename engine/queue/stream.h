/* A job stream, as intake reads it: with a consumer group, so that an entry belongs to one engine until it is done
 * with, and comes again to whoever follows that engine.
 *
 *     stream_say_group(&pipeline, stream, setup);                        at every connection
 *     stream_say_again(&pipeline, stream, setup, hear, who);             what is ours already, from stream->again on
 *     stream_say_read(&pipeline, streams, n, setup, count, block_ms, hear, who);
 *     stream_entries(reply, on_entry, who);                              in hear
 *     stream_say_done(&pipeline, stream, setup, id, hear, who);          XDEL, XACK: two answers
 *
 * Entries of engines that are gone are found by asking who has what (stream_say_consumers), and claimed. A consumer is
 * gone when it has not asked for STREAM_GONE_MS; one that has nothing to read for still asks who is gone. */
#pragma once

#include "queue/pipeline.h"

enum { STREAM_ID_MAX = 48, STREAM_GONE_MS = 60000, STREAM_CLAIM_MAX = 16 };

struct stream {
	struct slice key;   /* "hikyaku:jobs:now" */
	struct slice label; /* what distinguishes its entry ids from others': "now", "t:acme"; empty for the main one */
	struct slice tenant; /* whose it is; empty: any */
	bool transactional;
	unsigned weight;	   /* of its turns, against others' */
	bool again_over;	   /* all that was ours has been read again */
	char again[STREAM_ID_MAX]; /* where reading again stands */
};

/* Who reads: the same for all streams. Borrowed. */
struct stream_reader {
	struct slice group, consumer;
};

/* As it lies in the stream; borrowed from the reply. fault: a sentence, static, when it has not the
 * fields of a job. */
struct stream_entry {
	struct slice id, job, raw; /* raw.ptr is NULL when there is none */
	const char *fault;
	bool deleted; /* somebody removed it; only its id is left */
};
typedef void stream_on_entry(void *who, struct slice key, const struct stream_entry *entry);

/* Makes the group (and the stream), to read from its beginning; that it exists already is as good. One answer. */
void stream_say_group(struct pipeline *pipeline, const struct stream *stream, const struct stream_reader *reader,
		      pipeline_hear *hear, void *who);
bool stream_group_is_there(const struct redisReply *reply);
/* At most count new entries of each; block_ms 0: does not wait. One answer for all. */
void stream_say_read(struct pipeline *pipeline, struct stream *const *streams, unsigned nstreams,
		     const struct stream_reader *reader, unsigned count, unsigned block_ms, pipeline_hear *hear,
		     void *who);
/* At most count of those that are ours, behind stream->again; whoever hears moves it (stream_again_moved). */
void stream_say_again(struct pipeline *pipeline, const struct stream *stream, const struct stream_reader *reader,
		      unsigned count, pipeline_hear *hear, void *who);
/* Calls on_entry for each entry in an answer to read or again; returns how many. An error reply has none. */
unsigned stream_entries(const struct redisReply *reply, stream_on_entry *on_entry, void *who);
/* The cursor past this entry; at the end of it, over. */
void stream_again_moved(struct stream *stream, struct slice id);
void stream_again_from_start(struct stream *stream);

/* Who reads this stream, and who of them is gone and has entries: its name, or SLICE_NONE. */
void stream_say_consumers(struct pipeline *pipeline, const struct stream *stream, const struct stream_reader *reader,
			  pipeline_hear *hear, void *who);
struct slice stream_gone(const struct redisReply *reply, const struct stream_reader *reader);
/* Takes entries of that consumer over, at most STREAM_CLAIM_MAX a call: asks for their ids (the answer goes to hear,
 * which calls stream_say_claim with it in the next round). They are then ours, and come with stream_say_again. */
void stream_say_pending(struct pipeline *pipeline, const struct stream *stream, const struct stream_reader *reader,
			struct slice gone, pipeline_hear *hear, void *who);
void stream_say_claim(struct pipeline *pipeline, const struct stream *stream, const struct stream_reader *reader,
		      const struct slice *ids, unsigned nids, pipeline_hear *hear, void *who);

/* Says that this consumer lives, although it reads nothing now. One answer, of no interest. */
void stream_say_alive(struct pipeline *pipeline, const struct stream *stream, const struct stream_reader *reader,
		      pipeline_hear *hear, void *who);

/* Done with: deleted and acknowledged, in this order: what is pending and deleted is still found by reading again, what
 * is acknowledged and not deleted would lie there for ever. Two answers. */
void stream_say_done(struct pipeline *pipeline, const struct stream *stream, const struct stream_reader *reader,
		     struct slice id, pipeline_hear *hear_deleted, pipeline_hear *hear_done, void *who);
