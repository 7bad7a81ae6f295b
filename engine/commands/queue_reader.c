/* Plain commands and no function: to look must cost no more inside Redis than moving the bytes does. Lists are walked
 * in the order of their sequence numbers, the deferred and the held by SCAN, whose cursors stand changes. */
#include "queue_reader.h"

#include "base/check.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 500, DAY_MS = 86400000 };

struct domain_site {
	struct map_node node;
	struct slice site; /* of the same memory, as the domain */
};

const char *waiting_place_name(enum waiting_place place)
{
	static const char *const names[] = {"queued", "leased", "deferred", "held"};

	return names[place];
}

static struct slice key(struct queue_reader *reader, const char *name, struct slice more)
{
	outbuf_reset(&reader->key);
	outbuf_printf(&reader->key, "%.*s:{%u}:%s%.*s", SLICE_ARG(reader->client->config->redis.prefix), reader->shard,
		      name, SLICE_ARG(more));
	return outbuf_slice(&reader->key);
}

static struct slice number(char *room, long long n)
{
	return (struct slice){room, (size_t)snprintf(room, 24, "%lld", n)};
}

/* One page of a SCAN of that kind; the cursor of the next one is left in room, "0" at the end. NULL: lost. */
static struct redisReply *scan(struct queue_reader *reader, const char *command, struct slice what, struct slice glob,
			       char *cursor, size_t size)
{
	char piece[24];
	struct slice argv[] = {slice_of(command),
			       what,
			       slice_of(cursor),
			       SLICE("COUNT"),
			       number(piece, PIECE),
			       SLICE("MATCH"),
			       glob.len ? glob : SLICE("*")};
	struct redisReply *reply = client_ask(reader->client, argv, 7);

	if (!reply || reply->elements != 2) {
		if (reply)
			freeReplyObject(reply);
		return NULL;
	}
	snprintf(cursor, size, "%.*s", SLICE_ARG(reply_text_at(reply, 0)));
	return reply;
}

/* Sites */

static void add_site(struct queue_reader *reader, struct slice domain, struct slice site)
{
	struct domain_site *entry;

	if (map_find(&reader->sites, domain))
		return;
	entry = malloc(sizeof(*entry) + domain.len + site.len);
	CHECK(entry != NULL);
	char *bytes = (char *)(entry + 1);

	memcpy(bytes, domain.ptr, domain.len);
	memcpy(bytes + domain.len, site.ptr, site.len);
	entry->site = (struct slice){bytes + domain.len, site.len};
	map_add(&reader->sites, &entry->node, (struct slice){bytes, domain.len});
}

static void read_sites(struct queue_reader *reader, uint64_t day)
{
	char cursor[24] = "0", room[24];
	struct redisReply *reply;

	do {
		reply = scan(reader, "HSCAN", key(reader, "sites:", number(room, (long long)day)), SLICE_NONE, cursor,
			     sizeof(cursor));
		const struct redisReply *found = reply ? reply->element[1] : NULL;

		for (size_t i = 0; found && i + 1 < found->elements; i += 2)
			add_site(reader, reply_text_at(found, i), reply_text_at(found, i + 1));
		if (reply)
			freeReplyObject(reply);
	} while (reply && strcmp(cursor, "0") != 0);
}

struct slice queue_reader_site(const struct queue_reader *reader, struct slice domain)
{
	const struct map_node *node = map_find(&reader->sites, domain);

	return node ? MAP_OWNER(node, struct domain_site, node)->site : SLICE_NONE;
}

void queue_reader_open(struct queue_reader *reader, struct client *client, const struct match *match)
{
	struct redisReply *reply = client_ask(client, (struct slice[]){SLICE("TIME")}, 1);
	uint64_t day = reply_number_at(reply, 0) * 1000 / DAY_MS;

	if (reply)
		freeReplyObject(reply);
	*reader = (struct queue_reader){.client = client, .match = match};
	for (uint64_t ago = 0; ago < 2 && client->redis && day > 0; ago++)
		read_sites(reader, day - ago);
}

void queue_reader_close(struct queue_reader *reader)
{
	MAP_EACH (node, &reader->sites)
		free(MAP_OWNER(node, struct domain_site, node));
	map_free(&reader->sites);
	outbuf_free(&reader->key);
}

/* Records */

/* False to stop. */
static bool tell(struct queue_reader *reader, struct waiting *waiting, struct slice bytes)
{
	static const char *const states[] = {"queued", "queued", "deferred", "held"};
	struct match_facts facts = {.known = 0};

	if (!record_decode(bytes, &waiting->record) || !list_parse(waiting->list, &waiting->parts))
		return true;
	waiting->site = queue_reader_site(reader, waiting->parts.domain);
	match_know_list(&facts, waiting->list);
	match_know(&facts, MATCH_SITE, waiting->site);
	match_know(&facts, MATCH_JOB, waiting->record.job);
	match_know(&facts, MATCH_STATE, slice_of(states[waiting->place]));
	match_know(&facts, MATCH_SOURCE, record_source(&waiting->record));
	return (reader->match && !match_fits(reader->match, &facts)) || reader->on(reader->who, waiting);
}

static bool list_may_fit(const struct queue_reader *reader, struct slice list, enum waiting_place place)
{
	struct match_facts facts = {.known = 0};

	if (!reader->match || !match_know_list(&facts, list))
		return true;
	match_know(&facts, MATCH_SITE, queue_reader_site(reader, facts.fact[MATCH_DOMAIN]));
	match_know(&facts, MATCH_STATE,
		   place == WAITING_LEASED ? SLICE("queued") : slice_of(waiting_place_name(place)));
	return match_fits(reader->match, &facts);
}

static bool read_list(struct queue_reader *reader, struct slice list)
{
	struct waiting waiting = {.place = WAITING_QUEUED, .list = list};
	char from[24], to[24];
	bool more = true, go_on = true;

	for (long long at = 0; more && go_on; at += PIECE) {
		struct slice argv[] = {SLICE("LRANGE"), key(reader, "list:", list), number(from, at),
				       number(to, at + PIECE - 1)};
		struct redisReply *reply = client_ask(reader->client, argv, 4);

		for (size_t i = 0; reply && i < reply->elements && go_on; i++)
			go_on = tell(reader, &waiting, reply_text_at(reply, i));
		more = reply && reply->elements == PIECE;
		go_on = go_on && reply;
		if (reply)
			freeReplyObject(reply);
	}
	return go_on;
}

static bool read_lists(struct queue_reader *reader, const char *index)
{
	char after[48] = "-inf", piece[24];
	bool more = true, go_on = true;

	while (more && go_on) {
		struct slice argv[] = {SLICE("ZRANGEBYSCORE"),
				       key(reader, index, SLICE_NONE),
				       slice_of(after),
				       SLICE("+inf"),
				       SLICE("WITHSCORES"),
				       SLICE("LIMIT"),
				       SLICE("0"),
				       number(piece, PIECE)};
		struct redisReply *reply = client_ask(reader->client, argv, 8);

		for (size_t i = 0; reply && i + 1 < reply->elements && go_on; i += 2) {
			if (list_may_fit(reader, reply_text_at(reply, i), WAITING_QUEUED))
				go_on = read_list(reader, reply_text_at(reply, i));
			snprintf(after, sizeof(after), "(%.*s", SLICE_ARG(reply_text_at(reply, i + 1)));
		}
		more = reply && reply->elements == 2 * PIECE;
		go_on = go_on && reply;
		if (reply)
			freeReplyObject(reply);
	}
	return go_on;
}

/* A lease: names of lists, each followed by its records; the bits of those that are not settled (queue.lua). */
static bool read_lease(struct queue_reader *reader, struct slice name, struct slice bits)
{
	struct slice argv[] = {SLICE("LRANGE"), key(reader, "lease:", name), SLICE("0"), SLICE("-1")};
	struct redisReply *reply = client_try(reader->client, argv, 4);
	struct waiting waiting = {.place = WAITING_LEASED};
	size_t position = 0;
	bool go_on = reply != NULL;

	for (size_t i = 0; reply && reply->type == REDIS_REPLY_ARRAY && i < reply->elements && go_on; i++) {
		struct slice element = reply_text_at(reply, i);

		if (element.len == 0 || element.ptr[0] != RECORD_VERSION) {
			waiting.list = element;
			continue;
		}
		if (position / 8 < bits.len && (unsigned char)bits.ptr[position / 8] >> position % 8 & 1 &&
		    list_may_fit(reader, waiting.list, WAITING_LEASED))
			go_on = tell(reader, &waiting, element);
		position++;
	}
	if (reply)
		freeReplyObject(reply);
	return go_on;
}

static bool read_leases(struct queue_reader *reader)
{
	struct redisReply *epochs =
		client_ask(reader->client, (struct slice[]){SLICE("HKEYS"), key(reader, "instances", SLICE_NONE)}, 2);
	bool go_on = epochs != NULL;
	char name[64];

	for (size_t i = 0; epochs && i < epochs->elements && go_on; i++) {
		struct slice epoch = reply_text_at(epochs, i);
		struct redisReply *open =
			client_ask(reader->client, (struct slice[]){SLICE("HGETALL"), key(reader, "open:", epoch)}, 2);

		for (size_t j = 0; open && j + 1 < open->elements && go_on; j += 2) {
			int n = snprintf(name, sizeof(name), "%.*s:%.*s", SLICE_ARG(slice_head(epoch, 24)),
					 SLICE_ARG(slice_head(reply_text_at(open, j), 24)));

			go_on = read_lease(reader, (struct slice){name, (size_t)n}, reply_text_at(open, j + 1));
		}
		go_on = go_on && open;
		if (open)
			freeReplyObject(open);
	}
	if (epochs)
		freeReplyObject(epochs);
	return go_on;
}

/* "LIST NUL record" */
static bool tell_member(struct queue_reader *reader, struct waiting *waiting, struct slice member)
{
	struct slice record = member;

	waiting->list = slice_until(&record, '\0');
	return !list_may_fit(reader, waiting->list, waiting->place) || tell(reader, waiting, record);
}

/* The one domain that is meant, as a glob for SCAN; empty if that cannot be said. */
static struct slice domain_glob(const struct queue_reader *reader, char *room, size_t size)
{
	const struct match_value *only = NULL;

	for (unsigned i = 0; reader->match && i < reader->match->nvalues; i++) {
		if (reader->match->values[i].key != MATCH_DOMAIN)
			continue;
		if (only)
			return SLICE_NONE;
		only = &reader->match->values[i];
	}
	if (!only)
		return SLICE_NONE;
	for (size_t i = 0; i < only->glob.len; i++)
		if (strchr("[]\\^", only->glob.ptr[i]))
			return SLICE_NONE;
	int n = snprintf(room, size, "?:%.*s:*", SLICE_ARG(only->glob));

	return (struct slice){room, (size_t)n < size ? (size_t)n : size - 1};
}

static bool read_deferred(struct queue_reader *reader)
{
	char cursor[24] = "0", room[MATCH_VALUE_BYTES_MAX + 8];
	struct slice glob = domain_glob(reader, room, sizeof(room));
	bool go_on = true;

	do {
		struct redisReply *reply =
			scan(reader, "ZSCAN", key(reader, "deferred", SLICE_NONE), glob, cursor, sizeof(cursor));
		const struct redisReply *found = reply ? reply->element[1] : NULL;

		for (size_t i = 0; found && i + 1 < found->elements && go_on; i += 2) {
			char score[32];
			struct waiting waiting = {.place = WAITING_DEFERRED};

			snprintf(score, sizeof(score), "%.*s", SLICE_ARG(reply_text_at(found, i + 1)));
			waiting.due_ms = (uint64_t)strtod(score, NULL);
			go_on = tell_member(reader, &waiting, reply_text_at(found, i));
		}
		go_on = go_on && reply;
		if (reply)
			freeReplyObject(reply);
	} while (go_on && strcmp(cursor, "0") != 0);
	return go_on;
}

static bool read_held(struct queue_reader *reader)
{
	char cursor[24] = "0";
	bool go_on = true;

	do {
		struct redisReply *reply =
			scan(reader, "HSCAN", key(reader, "held", SLICE_NONE), SLICE_NONE, cursor, sizeof(cursor));
		const struct redisReply *found = reply ? reply->element[1] : NULL;

		for (size_t i = 0; found && i + 1 < found->elements && go_on; i += 2) {
			struct waiting waiting = {.place = WAITING_HELD};

			go_on = tell_member(reader, &waiting, reply_text_at(found, i + 1));
		}
		go_on = go_on && reply;
		if (reply)
			freeReplyObject(reply);
	} while (go_on && strcmp(cursor, "0") != 0);
	return go_on;
}

bool queue_reader_read(struct queue_reader *reader, bool (*on)(void *who, const struct waiting *waiting), void *who)
{
	unsigned shards = client_shards(reader->client);
	bool go_on = reader->client->redis != NULL;

	reader->on = on;
	reader->who = who;
	for (reader->shard = 0; reader->shard < shards && go_on; reader->shard++)
		go_on = read_lists(reader, "index:now") && read_lists(reader, "index") && read_leases(reader) &&
			read_deferred(reader) && read_held(reader);
	return go_on;
}
