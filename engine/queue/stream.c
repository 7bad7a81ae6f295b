/* Nothing here has a state but the cursor of reading again: the words to Redis, and the reading of its answers. Answers
 * are read without trust in their shape, since anybody may write to a stream.
 *
 * XAUTOCLAIM was not used: it takes by the age of an entry, and a job that expands for an hour behind the high-water
 * mark is old without being abandoned. */
#include "queue/stream.h"

#include "base/check.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

enum { STREAMS_MAX = 64, IDS_MAX = STREAM_CLAIM_MAX };

void stream_say_group(struct pipeline *pipeline, const struct stream *stream, const struct stream_reader *reader,
		      pipeline_hear *hear, void *who)
{
	const struct slice argv[] = {SLICE("XGROUP"), SLICE("CREATE"), stream->key,
				     reader->group,   SLICE("0"),      SLICE("MKSTREAM")};

	pipeline_say(pipeline, argv, 6, hear, who);
}

bool stream_group_is_there(const struct redisReply *reply)
{
	return reply->type != REDIS_REPLY_ERROR || slice_starts(resp_text(reply), SLICE("BUSYGROUP"));
}

void stream_say_read(struct pipeline *pipeline, struct stream *const *streams, unsigned nstreams,
		     const struct stream_reader *reader, unsigned count, unsigned block_ms, pipeline_hear *hear,
		     void *who)
{
	struct slice argv[10 + 2 * STREAMS_MAX];
	char counted[16], blocked[16];
	unsigned argc = 0;

	CHECK(nstreams > 0 && nstreams <= STREAMS_MAX && count > 0);
	argv[argc++] = SLICE("XREADGROUP");
	argv[argc++] = SLICE("GROUP");
	argv[argc++] = reader->group;
	argv[argc++] = reader->consumer;
	argv[argc++] = SLICE("COUNT");
	argv[argc++] = (struct slice){counted, (size_t)snprintf(counted, sizeof(counted), "%u", count)};
	if (block_ms) {
		argv[argc++] = SLICE("BLOCK");
		argv[argc++] = (struct slice){blocked, (size_t)snprintf(blocked, sizeof(blocked), "%u", block_ms)};
	}
	argv[argc++] = SLICE("STREAMS");
	for (unsigned i = 0; i < nstreams; i++)
		argv[argc++] = streams[i]->key;
	for (unsigned i = 0; i < nstreams; i++)
		argv[argc++] = SLICE(">");
	pipeline_say(pipeline, argv, argc, hear, who);
}

/* What is pending for this consumer behind an id. */
static void say_own(struct pipeline *pipeline, const struct stream *stream, const struct stream_reader *reader,
		    struct slice behind, unsigned count, pipeline_hear *hear, void *who)
{
	char counted[16];
	const struct slice argv[] = {
		SLICE("XREADGROUP"), SLICE("GROUP"), reader->group,
		reader->consumer,    SLICE("COUNT"), {counted, (size_t)snprintf(counted, sizeof(counted), "%u", count)},
		SLICE("STREAMS"),    stream->key,    behind,
	};

	pipeline_say(pipeline, argv, sizeof(argv) / sizeof(argv[0]), hear, who);
}

void stream_say_again(struct pipeline *pipeline, const struct stream *stream, const struct stream_reader *reader,
		      unsigned count, pipeline_hear *hear, void *who)
{
	say_own(pipeline, stream, reader, slice_of(stream->again), count, hear, who);
}

void stream_say_alive(struct pipeline *pipeline, const struct stream *stream, const struct stream_reader *reader,
		      pipeline_hear *hear, void *who)
{
	say_own(pipeline, stream, reader, SLICE("18446744073709551615-0"), 1, hear, who); /* behind every entry */
}

/* [id, [field, value, …]], or [id, nil]. */
static struct stream_entry read_entry(const struct redisReply *reply)
{
	struct stream_entry entry = {.id = resp_text(resp_at(reply, 0))};
	const struct redisReply *fields = resp_at(reply, 1);

	if (fields->type != REDIS_REPLY_ARRAY) {
		entry.deleted = true;
		return entry;
	}
	for (size_t i = 0; i + 1 < resp_count(fields); i += 2) {
		struct slice name = resp_text(resp_at(fields, i)), value = resp_text(resp_at(fields, i + 1));

		if (slice_is(name, SLICE("job")) && !entry.job.ptr)
			entry.job = value;
		else if (slice_is(name, SLICE("raw")) && !entry.raw.ptr)
			entry.raw = value;
		else
			entry.fault = "the entry has other fields than one \"job\" and one \"raw\"";
	}
	if (!entry.job.ptr)
		entry.fault = "the entry has no field \"job\": expected XADD … job '{…}' [raw '…']";
	return entry;
}

unsigned stream_entries(const struct redisReply *reply, stream_on_entry *on_entry, void *who)
{
	unsigned count = 0;

	for (size_t s = 0; s < resp_count(reply); s++) {
		const struct redisReply *pair = resp_at(reply, s);

		if (resp_count(pair) != 2)
			continue;
		const struct redisReply *entries = resp_at(pair, 1);

		for (size_t i = 0; i < resp_count(entries); i++) {
			if (resp_count(resp_at(entries, i)) != 2)
				continue;
			struct stream_entry entry = read_entry(resp_at(entries, i));

			on_entry(who, resp_text(resp_at(pair, 0)), &entry);
			count++;
		}
	}
	return count;
}

void stream_again_moved(struct stream *stream, struct slice id)
{
	snprintf(stream->again, sizeof(stream->again), "%.*s", SLICE_ARG(id));
}

void stream_again_from_start(struct stream *stream)
{
	stream->again_over = false;
	stream_again_moved(stream, SLICE("0"));
}

void stream_say_consumers(struct pipeline *pipeline, const struct stream *stream, const struct stream_reader *reader,
			  pipeline_hear *hear, void *who)
{
	const struct slice argv[] = {SLICE("XINFO"), SLICE("CONSUMERS"), stream->key, reader->group};

	pipeline_say(pipeline, argv, 4, hear, who);
}

/* The value behind a name in [name, value, …]. */
static const struct redisReply *value_of(const struct redisReply *pairs, struct slice name)
{
	for (size_t i = 0; i + 1 < resp_count(pairs); i += 2)
		if (slice_is(resp_text(resp_at(pairs, i)), name))
			return resp_at(pairs, i + 1);
	return NULL;
}

struct slice stream_gone(const struct redisReply *reply, const struct stream_reader *reader)
{
	for (size_t i = 0; i < resp_count(reply); i++) {
		const struct redisReply *consumer = resp_at(reply, i);
		struct slice name = resp_text(value_of(consumer, SLICE("name")));

		if (name.len && !slice_is(name, reader->consumer) &&
		    resp_integer(value_of(consumer, SLICE("pending"))) > 0 &&
		    resp_integer(value_of(consumer, SLICE("idle"))) >= STREAM_GONE_MS)
			return name;
	}
	return SLICE_NONE;
}

void stream_say_pending(struct pipeline *pipeline, const struct stream *stream, const struct stream_reader *reader,
			struct slice gone, pipeline_hear *hear, void *who)
{
	const struct slice argv[] = {SLICE("XPENDING"), stream->key, reader->group, SLICE("-"),
				     SLICE("+"),	SLICE("16"), gone};

	_Static_assert(STREAM_CLAIM_MAX == 16, "the number above");
	pipeline_say(pipeline, argv, 7, hear, who);
}

void stream_say_claim(struct pipeline *pipeline, const struct stream *stream, const struct stream_reader *reader,
		      const struct slice *ids, unsigned nids, pipeline_hear *hear, void *who)
{
	struct slice argv[6 + IDS_MAX] = {SLICE("XCLAIM"), stream->key, reader->group, reader->consumer, SLICE("0")};
	unsigned argc = 5;

	CHECK(nids > 0 && nids <= IDS_MAX);
	for (unsigned i = 0; i < nids; i++)
		argv[argc++] = ids[i];
	argv[argc++] = SLICE("JUSTID");
	pipeline_say(pipeline, argv, argc, hear, who);
}

void stream_say_done(struct pipeline *pipeline, const struct stream *stream, const struct stream_reader *reader,
		     struct slice id, pipeline_hear *hear_deleted, pipeline_hear *hear_done, void *who)
{
	pipeline_say(pipeline, (struct slice[]){SLICE("XDEL"), stream->key, id}, 3, hear_deleted, who);
	pipeline_say(pipeline, (struct slice[]){SLICE("XACK"), stream->key, reader->group, id}, 4, hear_done, who);
}
