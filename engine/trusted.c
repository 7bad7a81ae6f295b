/* Only large receivers are written down, once an hour each, so the HASH stays small and is read whole. */
#include "trusted.h"

#include "base/check.h"
#include "base/outbuf.h"
#include "queue/notes.h"
#include "queue/redis_sync.h"
#include "queue/resp.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_MS (7 * 86400000ULL)

static void add(struct trusted *trusted, struct slice site)
{
	struct map_node *node = map_find(&trusted->by_site, site) ? NULL : calloc(1, sizeof(*node) + site.len);

	if (!node)
		return;
	memcpy(node + 1, site.ptr, site.len);
	map_add(&trusted->by_site, node, (struct slice){(char *)(node + 1), site.len});
}

static void forget(struct redisContext *redis, struct slice key, struct slice site)
{
	struct redisReply *reply = redis_sync_ask(redis, (struct slice[]){SLICE("HDEL"), key, site}, 3);

	if (reply)
		freeReplyObject(reply);
}

bool trusted_read(struct trusted *trusted, struct redisContext *redis, struct slice prefix, uint64_t wall_ms)
{
	struct outbuf key = {0};
	uint64_t then_ms;

	outbuf_printf(&key, "%.*s:{0}:trust", SLICE_ARG(prefix));
	struct redisReply *reply = redis_sync_ask(redis, (struct slice[]){SLICE("HGETALL"), outbuf_slice(&key)}, 2);
	bool ok = reply && resp_error(reply) == RESP_FINE;

	for (size_t i = 0; ok && i + 1 < resp_count(reply); i += 2) {
		struct slice site = resp_text(resp_at(reply, i));

		if (slice_number(resp_text(resp_at(reply, i + 1)), UINT64_MAX / 2, &then_ms) && then_ms <= wall_ms &&
		    wall_ms - then_ms < KEPT_MS)
			add(trusted, site);
		else
			forget(redis, outbuf_slice(&key), site);
	}
	if (reply)
		freeReplyObject(reply);
	outbuf_free(&key);
	return ok;
}

bool trusted_has(const struct trusted *trusted, struct slice site)
{
	return trusted->by_site.count && map_find(&trusted->by_site, site);
}

void trusted_note(struct notes *notes, struct slice site, uint64_t wall_ms)
{
	struct outbuf value = {0};

	outbuf_number(&value, wall_ms);
	notes_put(notes, SLICE("trust"), site, outbuf_slice(&value));
	outbuf_free(&value);
}

void trusted_free(struct trusted *trusted)
{
	MAP_EACH (node, &trusted->by_site) {
		map_remove(&trusted->by_site, node);
		free(node);
	}
	map_free(&trusted->by_site);
}
