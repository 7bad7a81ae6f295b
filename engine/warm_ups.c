/* A map under a lock that is taken when a site is routed and once a second; sending itself only touches the count. What
 * was read from Redis waits in the same map for the site that it is about. At most a second of sending is forgotten
 * when the engine is killed. */
#include "warm_ups.h"

#include "base/check.h"
#include "queue/notes.h"
#include "queue/redis_sync.h"
#include "queue/resp.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct map_node node; /* by name, which is of the same memory */
	struct warm_up warm_up;
	int64_t written_day;
	unsigned written;
};

static struct entry *entry_of(struct warm_ups *warm_ups, struct slice name)
{
	struct map_node *node = map_find(&warm_ups->by_name, name);

	if (node)
		return MAP_OWNER(node, struct entry, node);
	struct entry *entry = calloc(1, sizeof(*entry) + name.len);

	CHECK(entry != NULL);
	memcpy(entry + 1, name.ptr, name.len);
	map_add(&warm_ups->by_name, &entry->node, (struct slice){(char *)(entry + 1), name.len});
	return entry;
}

void warm_ups_free(struct warm_ups *warm_ups)
{
	MAP_EACH (node, &warm_ups->by_name)
		free(MAP_OWNER(node, struct entry, node));
	map_free(&warm_ups->by_name);
}

static bool is_for(const struct config_warm_up *plan, struct slice site)
{
	for (unsigned i = 0; i < plan->nsites; i++)
		if (config_pattern_fits(plan->sites[i], site))
			return true;
	return false;
}

struct warm_up *warm_ups_find(struct warm_ups *warm_ups, const struct config_source *source, struct slice site,
			      int64_t wall_ahead_ms)
{
	struct outbuf name = {0};
	struct entry *entry;

	if (!source || !source->warm_up.place || !is_for(&source->warm_up, site))
		return NULL;
	outbuf_printf(&name, "%.*s|%.*s", SLICE_ARG(source->name), SLICE_ARG(site));
	pthread_mutex_lock(&warm_ups->lock);
	entry = entry_of(warm_ups, outbuf_slice(&name));
	warm_up_plan(&entry->warm_up, source->warm_up.start_day, source->warm_up.daily, source->warm_up.ndaily);
	warm_up_clock(&entry->warm_up, wall_ahead_ms);
	pthread_mutex_unlock(&warm_ups->lock);
	outbuf_free(&name);
	return &entry->warm_up;
}

/* "20788 40" of one source and site. */
static void restore(struct warm_ups *warm_ups, struct slice name, struct slice value)
{
	uint64_t day, used;
	struct entry *entry;

	if (!slice_number(slice_until(&value, ' '), UINT32_MAX, &day) || !slice_number(value, UINT32_MAX, &used))
		return;
	entry = entry_of(warm_ups, name);
	warm_up_restore(&entry->warm_up, (int64_t)day, (unsigned)used);
	entry->written_day = (int64_t)day;
	entry->written = (unsigned)used;
}

bool warm_ups_read(struct warm_ups *warm_ups, struct redisContext *redis, struct slice prefix)
{
	struct outbuf key = {0};
	struct redisReply *reply;
	bool ok;

	outbuf_printf(&key, "%.*s:{0}:warm", SLICE_ARG(prefix));
	reply = redis_sync_ask(redis, (struct slice[]){SLICE("HGETALL"), outbuf_slice(&key)}, 2);
	ok = reply && resp_error(reply) == RESP_FINE;
	pthread_mutex_lock(&warm_ups->lock);
	for (size_t i = 0; ok && i + 1 < resp_count(reply); i += 2)
		restore(warm_ups, resp_text(resp_at(reply, i)), resp_text(resp_at(reply, i + 1)));
	pthread_mutex_unlock(&warm_ups->lock);
	if (reply)
		freeReplyObject(reply);
	outbuf_free(&key);
	return ok;
}

void warm_ups_write(struct warm_ups *warm_ups, struct notes *notes)
{
	char value[48];

	pthread_mutex_lock(&warm_ups->lock);
	MAP_EACH (node, &warm_ups->by_name) {
		struct entry *entry = MAP_OWNER(node, struct entry, node);
		unsigned used;
		int64_t day = warm_up_used(&entry->warm_up, &used);

		if (day == entry->written_day && used == entry->written)
			continue;
		entry->written_day = day;
		entry->written = used;
		int n = snprintf(value, sizeof(value), "%lld %u", (long long)day, used);

		notes_put(notes, SLICE("warm"), map_key(node), (struct slice){value, (size_t)n});
	}
	pthread_mutex_unlock(&warm_ups->lock);
}
