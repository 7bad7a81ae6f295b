/* A map under a lock that is taken when an exchanger is first connected to and when something new was learned, never
 * for a message. An exchanger remembers what it told last, so that looking whether there is something new costs three
 * comparisons; what does not change is confirmed once an hour, because it ages. */
#include "learned.h"

#include "conn.h"

#include "base/check.h"
#include "queue/notes.h"
#include "queue/redis_sync.h"
#include "queue/resp.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	WRITE_MS = 10000,
	CONFIRM_MS = 3600 * 1000,
	HALF_TRUSTED_MS = 24 * 3600 * 1000,
	FORGOTTEN_MS = 7 * 24 * 3600 * 1000,
	ENTRIES_MAX = 100000
};

struct entry {
	struct map_node node; /* by name, which is of the same memory */
	uint32_t count, window_ms;
	unsigned edge;
	uint64_t wall_ms; /* when it was last so */
	bool unwritten;
};

static struct slice name_of(struct outbuf *out, const struct conn *conn)
{
	struct slice source = conn->source ? conn->source->name : SLICE("any");

	outbuf_printf(out, "%.*s|%.*s|%.*s", SLICE_ARG(site_name(conn->lane->site)), SLICE_ARG(source),
		      SLICE_ARG(exchanger_address(conn->exchanger)));
	return outbuf_slice(out);
}

/* NULL when there are too many to remember one more. */
static struct entry *entry_of(struct learned *learned, struct slice name)
{
	struct map_node *node = map_find(&learned->by_name, name);

	if (node)
		return MAP_OWNER(node, struct entry, node);
	if (learned->by_name.count >= ENTRIES_MAX)
		return NULL;
	struct entry *entry = calloc(1, sizeof(*entry) + name.len);

	CHECK(entry != NULL);
	memcpy(entry + 1, name.ptr, name.len);
	map_add(&learned->by_name, &entry->node, (struct slice){(char *)(entry + 1), name.len});
	return entry;
}

void learned_free(struct learned *learned)
{
	MAP_EACH (node, &learned->by_name)
		free(MAP_OWNER(node, struct entry, node));
	map_free(&learned->by_name);
}

/* Per cent. */
static unsigned trust(uint64_t age_ms)
{
	if (age_ms >= FORGOTTEN_MS)
		return 0;
	if (age_ms <= HALF_TRUSTED_MS)
		return (unsigned)(100 - age_ms * 50 / HALF_TRUSTED_MS);
	return (unsigned)((FORGOTTEN_MS - age_ms) * 50 / (FORGOTTEN_MS - HALF_TRUSTED_MS));
}

/* Redis and the file it keeps are no proof: what makes no sense is left. */
static void restore(struct learned *learned, struct slice name, struct slice value, uint64_t wall_ms)
{
	uint64_t numbers[4];
	struct entry *entry;

	for (unsigned i = 0; i < 4; i++)
		if (!slice_number(slice_until(&value, ' '), i < 3 ? UINT32_MAX : UINT64_MAX / 2, &numbers[i]))
			return;
	if (numbers[3] > wall_ms || trust(wall_ms - numbers[3]) == 0 || !(entry = entry_of(learned, name)))
		return;
	entry->count = (uint32_t)numbers[0];
	entry->window_ms = (uint32_t)numbers[1];
	entry->edge = (unsigned)numbers[2];
	entry->wall_ms = numbers[3];
}

bool learned_read(struct learned *learned, struct redisContext *redis, struct slice prefix, uint64_t wall_ms)
{
	struct outbuf key = {0};
	struct redisReply *reply;
	bool ok;

	outbuf_printf(&key, "%.*s:{0}:learned", SLICE_ARG(prefix));
	reply = redis_sync_ask(redis, (struct slice[]){SLICE("HGETALL"), outbuf_slice(&key)}, 2);
	ok = reply && resp_error(reply) == RESP_FINE;
	pthread_mutex_lock(&learned->lock);
	for (size_t i = 0; ok && i + 1 < resp_count(reply); i += 2)
		restore(learned, resp_text(resp_at(reply, i)), resp_text(resp_at(reply, i + 1)), wall_ms);
	pthread_mutex_unlock(&learned->lock);
	if (reply)
		freeReplyObject(reply);
	outbuf_free(&key);
	return ok;
}

void learned_write(struct learned *learned, struct notes *notes, uint64_t wall_ms, bool now)
{
	char value[80];

	pthread_mutex_lock(&learned->lock);
	if (now || wall_ms >= learned->written_ms + WRITE_MS) {
		learned->written_ms = wall_ms;
		MAP_EACH (node, &learned->by_name) {
			struct entry *entry = MAP_OWNER(node, struct entry, node);

			if (!entry->unwritten)
				continue;
			entry->unwritten = false;
			int n = snprintf(value, sizeof(value), "%u %u %u %llu", entry->count, entry->window_ms,
					 entry->edge, (unsigned long long)entry->wall_ms);

			notes_put(notes, SLICE("learned"), map_key(node), (struct slice){value, (size_t)n});
		}
	}
	pthread_mutex_unlock(&learned->lock);
}

void learned_recall(const struct conn *conn)
{
	struct learned *learned = &conn->worker->engine->learned;
	struct exchanger *exchanger = conn->exchanger;
	uint64_t wall_ms = worker_wall_ms(conn->worker);
	struct outbuf name = {0};
	struct map_node *node;

	if (exchanger->recalled)
		return;
	exchanger->recalled = true;
	pthread_mutex_lock(&learned->lock);
	node = map_find(&learned->by_name, name_of(&name, conn));
	if (node) {
		const struct entry *entry = MAP_OWNER(node, struct entry, node);
		unsigned trusted = wall_ms > entry->wall_ms ? trust(wall_ms - entry->wall_ms) : 100;

		if (trusted)
			exchanger_recall(exchanger, entry->count, entry->window_ms, entry->edge, trusted,
					 worker_now_ms(conn->worker));
	}
	pthread_mutex_unlock(&learned->lock);
	outbuf_free(&name);
}

void learned_note(const struct conn *conn)
{
	struct learned *learned = &conn->worker->engine->learned;
	uint64_t now_ms = worker_now_ms(conn->worker);
	struct outbuf name = {0};
	struct exchanger_learned news;
	struct entry *entry;

	if (!exchanger_has_news(conn->exchanger, CONFIRM_MS, &news, now_ms))
		return;
	pthread_mutex_lock(&learned->lock);
	entry = entry_of(learned, name_of(&name, conn));
	if (entry) {
		entry->count = news.count;
		entry->window_ms = news.window_ms;
		entry->edge = news.edge;
		entry->wall_ms = worker_wall_ms(conn->worker);
		entry->unwritten = true;
	}
	pthread_mutex_unlock(&learned->lock);
	outbuf_free(&name);
}
