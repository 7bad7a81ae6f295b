/* XREAD over all shards, a thousand entries at a time. Jansson builds the object, since data was written by others: by
 * an engine of another version, perhaps. */
#include "event_reader.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { SHARDS_MAX = 256 };

static void open_shards(struct event_reader *reader, struct client *client)
{
	*reader = (struct event_reader){.client = client, .nshards = client_shards(client)};
	if (reader->nshards > SHARDS_MAX)
		reader->nshards = SHARDS_MAX;
	reader->last = calloc(reader->nshards, sizeof(*reader->last));
	CHECK(reader->last != NULL);
}

void event_reader_open(struct event_reader *reader, struct client *client, uint64_t since_ms)
{
	open_shards(reader, client);
	for (unsigned i = 0; i < reader->nshards; i++)
		snprintf(reader->last[i], sizeof(reader->last[i]), since_ms ? "%llu-18446744073709551615" : "0-0",
			 (unsigned long long)(since_ms - 1));
}

void event_reader_at_end(struct event_reader *reader, struct client *client)
{
	open_shards(reader, client);
	for (unsigned i = 0; i < reader->nshards; i++) {
		struct slice argv[] = {SLICE("XREVRANGE"), client_key(client, "{%u}:events", i),
				       SLICE("+"),	   SLICE("-"),
				       SLICE("COUNT"),	   SLICE("1")};
		struct redisReply *reply = client_ask(client, argv, 6);
		struct slice id = reply && reply->elements ? reply_text_at(reply->element[0], 0) : SLICE_NONE;

		snprintf(reader->last[i], sizeof(reader->last[i]), "%.*s", id.len ? (int)id.len : 3,
			 id.len ? id.ptr : "0-0");
		if (reply)
			freeReplyObject(reply);
	}
}

void event_reader_close(struct event_reader *reader)
{
	free(reader->last);
}

static struct slice field(const struct redisReply *fields, const char *name)
{
	for (size_t i = 0; fields && i + 1 < fields->elements; i += 2)
		if (slice_is(reply_text_at(fields, i), slice_of(name)))
			return reply_text_at(fields, i + 1);
	return SLICE_NONE;
}

static bool tell(const struct redisReply *fields, bool (*on)(void *who, const struct event_read *event), void *who)
{
	struct slice data = field(fields, "data");
	struct event_read event = {field(fields, "type"), field(fields, "job"), field(fields, "to"), json_object()};
	json_t *more = json_loadb(data.ptr ? data.ptr : "", data.len, 0, NULL);
	bool go_on;

	json_object_set_new(event.all, "type", json_stringn(event.type.ptr ? event.type.ptr : "", event.type.len));
	json_object_set_new(event.all, "job", json_stringn(event.job.ptr ? event.job.ptr : "", event.job.len));
	if (event.to.len)
		json_object_set_new(event.all, "to", json_stringn(event.to.ptr, event.to.len));
	if (json_is_object(more))
		json_object_update_missing(event.all, more);
	go_on = on(who, &event);
	json_decref(more);
	json_decref(event.all);
	return go_on;
}

/* One stream's part of a reply: its name, then its entries. */
static int tell_stream(struct event_reader *reader, const struct redisReply *stream,
		       bool (*on)(void *who, const struct event_read *event), void *who)
{
	struct slice name = reply_text_at(stream, 0);
	const struct redisReply *entries = stream->elements == 2 ? stream->element[1] : NULL;
	unsigned shard = 0;

	while (shard + 1 < reader->nshards && !slice_is(client_key(reader->client, "{%u}:events", shard), name))
		shard++;
	for (size_t i = 0; entries && i < entries->elements; i++) {
		const struct redisReply *entry = entries->element[i];

		snprintf(reader->last[shard], sizeof(reader->last[shard]), "%.*s", SLICE_ARG(reply_text_at(entry, 0)));
		if (entry->elements == 2 && !tell(entry->element[1], on, who))
			return -1;
	}
	return entries ? (int)entries->elements : 0;
}

static struct redisReply *ask(struct event_reader *reader, unsigned wait_ms)
{
	struct slice argv[6 + 2 * SHARDS_MAX] = {SLICE("XREAD"), SLICE("COUNT"), SLICE("1000")};
	char wait[24], *names[SHARDS_MAX];
	unsigned n = 3;
	struct redisReply *reply;

	if (wait_ms) {
		argv[n++] = SLICE("BLOCK");
		argv[n++] = (struct slice){wait, (size_t)snprintf(wait, sizeof(wait), "%u", wait_ms)};
	}
	argv[n++] = SLICE("STREAMS");
	for (unsigned i = 0; i < reader->nshards; i++) {
		names[i] = slice_copy(client_key(reader->client, "{%u}:events", i));
		argv[n + i] = slice_of(names[i]);
		argv[n + reader->nshards + i] = slice_of(reader->last[i]);
	}
	reply = client_ask(reader->client, argv, n + 2 * reader->nshards);
	for (unsigned i = 0; i < reader->nshards; i++)
		free(names[i]);
	return reply;
}

int event_reader_next(struct event_reader *reader, unsigned wait_ms,
		      bool (*on)(void *who, const struct event_read *event), void *who)
{
	struct redisReply *reply = ask(reader, wait_ms);
	int came = reply ? 0 : -1;

	for (size_t i = 0; reply && reply->type == REDIS_REPLY_ARRAY && i < reply->elements && came >= 0; i++) {
		int n = tell_stream(reader, reply->element[i], on, who);

		came = n < 0 ? n : came + n;
	}
	if (reply)
		freeReplyObject(reply);
	return came;
}

int event_reader_back(struct client *client, unsigned shard, char *before,
		      bool (*on)(void *who, const struct event_read *event), void *who)
{
	struct slice argv[] = {SLICE("XREVRANGE"), client_key(client, "{%u}:events", shard),
			       slice_of(before),   SLICE("-"),
			       SLICE("COUNT"),	   SLICE("1000")};
	struct redisReply *reply = client_ask(client, argv, 6);
	int came = reply ? 0 : -1;

	for (size_t i = 0; reply && i < reply->elements && came >= 0; i++) {
		const struct redisReply *entry = reply->element[i];

		snprintf(before, 48, "(%.*s", SLICE_ARG(slice_head(reply_text_at(entry, 0), 46)));
		came = entry->elements == 2 && !tell(entry->element[1], on, who) ? -1 : came + 1;
	}
	if (reply)
		freeReplyObject(reply);
	return came;
}
