/* Reading what waits: every recipient in the queue that a match means, from all four places it may be in.
 *
 *     struct queue_reader reader;
 *     queue_reader_open(&reader, &client, &match);
 *     bool all = queue_reader_read(&reader, on_waiting, who);
 *     queue_reader_close(&reader);
 *
 * Read in pieces of some hundred records, so that an engine at work is not kept waiting. The queue moves meanwhile: one
 * that changes its place is seen once, twice or not at all; as a picture of a moment that is good enough. */
#pragma once

#include "client.h"

#include "queue/match.h"
#include "queue/record.h"

#include "base/map.h"

enum waiting_place { WAITING_QUEUED, WAITING_LEASED, WAITING_DEFERRED, WAITING_HELD };

/* Borrowed during the call. */
struct waiting {
	enum waiting_place place;
	struct slice list, site; /* site: empty while no engine has told it */
	struct list_parts parts;
	struct record record;
	uint64_t due_ms; /* DEFERRED; as scored in Redis */
};

struct queue_reader {
	struct client *client;	   /* borrowed */
	const struct match *match; /* borrowed; NULL: all */
	struct map sites;	   /* domain → site, as engines told them */
	struct outbuf key;
	unsigned shard;
	bool (*on)(void *who, const struct waiting *waiting);
	void *who;
};

const char *waiting_place_name(enum waiting_place place);

void queue_reader_open(struct queue_reader *reader, struct client *client, const struct match *match);
void queue_reader_close(struct queue_reader *reader);
/* on returns false to stop. False if it was stopped, or Redis is lost (client->status says which). */
bool queue_reader_read(struct queue_reader *reader, bool (*on)(void *who, const struct waiting *waiting), void *who);
/* SLICE_NONE if no engine has told it. */
struct slice queue_reader_site(const struct queue_reader *reader, struct slice domain);
