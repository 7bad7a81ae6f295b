/* Reading the event streams of all shards, without a group: nothing is acknowledged, nothing is taken from others.
 *
 *     struct event_reader reader;
 *     event_reader_open(&reader, &client, since_ms);        or event_reader_at_end
 *     while (event_reader_next(&reader, wait_ms, on_event, who)) ...
 *     event_reader_close(&reader); */
#pragma once

#include "client.h"

#include <jansson.h>

/* An event, borrowed during the call: its fields, and all of it as one object (type, job, to and what data has). */
struct event_read {
	struct slice type, job, to;
	json_t *all;
};

struct event_reader {
	struct client *client; /* borrowed */
	unsigned nshards;
	char (*last)[48]; /* owned: the last entry read of each shard */
};

/* From events of since_ms on (0: all there are); from those that come after now. */
void event_reader_open(struct event_reader *reader, struct client *client, uint64_t since_ms);
void event_reader_at_end(struct event_reader *reader, struct client *client);
void event_reader_close(struct event_reader *reader);
/* Reads some; waits for them up to wait_ms (0: not at all). How many came; -1 when Redis is lost or on(…) said false.
 */
int event_reader_next(struct event_reader *reader, unsigned wait_ms,
		      bool (*on)(void *who, const struct event_read *event), void *who);
/* Reads a shard's events from the newest back, some at a time: those before the entry in before (48 bytes; begin with
 * "+"), which is moved on. How many came, 0 at the beginning of the stream; -1 when Redis is lost or on(…) said false.
 */
int event_reader_back(struct client *client, unsigned shard, char *before,
		      bool (*on)(void *who, const struct event_read *event), void *who);
/* One line for people. */
void event_text(const struct event_read *event, struct outbuf *out);
