/* A map, and a list by age. Age is when an answer was put there, not when it was used: mail to a domain comes in waves,
 * and an answer used often is asked for again at once anyway when it goes. */
#include "dns/cache.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

struct cache_entry {
	struct map_node node;
	struct list age;
	struct answer *answer; /* one count */
	size_t key_len;
	char key[]; /* owned by the entry */
};

void cache_init(struct cache *cache, const struct cache_setup *setup)
{
	CHECK(setup->answers_max > 0);
	*cache = (struct cache){.setup = *setup};
	list_init(&cache->age);
}

static size_t entry_size(const struct cache_entry *entry)
{
	return sizeof(*entry) + entry->key_len + entry->answer->size;
}

static void cache_drop(struct cache *cache, struct cache_entry *entry)
{
	CHECK(cache->bytes >= entry_size(entry));
	cache->bytes -= entry_size(entry);
	map_remove(&cache->entries, &entry->node);
	list_remove(&entry->age);
	answer_free(entry->answer);
	free(entry);
}

static struct cache_entry *cache_oldest(struct cache *cache)
{
	struct list *first = list_first(&cache->age);

	return first ? LIST_OWNER(first, struct cache_entry, age) : NULL;
}

void cache_free(struct cache *cache)
{
	while (!list_is_empty(&cache->age))
		cache_drop(cache, cache_oldest(cache));
	map_free(&cache->entries);
}

struct slice cache_key(char *room, uint64_t secret, struct slice name, enum dns_type type)
{
	uint16_t number = (uint16_t)type;

	CHECK(name.len <= DNS_NAME_MAX);
	memcpy(room, &secret, 8);
	memcpy(room + 8, &number, 2);
	memcpy(room + 10, name.ptr, name.len);
	return (struct slice){room, 10 + name.len};
}

uint64_t cache_ttl_ms(const struct cache *cache, const struct answer *answer)
{
	uint64_t ttl_ms = answer->ttl_s * UINT64_C(1000), min = cache->setup.ttl_ms_min;
	uint64_t max = answer->state == ANSWER_FOUND ? TTL_MS_MAX : TTL_NEGATIVE_MS_MAX;

	if (answer->state == ANSWER_FAILED || ttl_ms < min)
		return min;
	return ttl_ms > max ? max : ttl_ms;
}

static struct cache_entry *entry_find(const struct cache *cache, struct slice key)
{
	struct map_node *node = map_find(&cache->entries, key);

	return node ? MAP_OWNER(node, struct cache_entry, node) : NULL;
}

void cache_put(struct cache *cache, struct slice name, struct answer *answer, uint64_t now_ms)
{
	char room[CACHE_KEY_MAX];
	struct slice key = cache_key(room, cache->setup.secret, name, answer->type);
	struct cache_entry *before = entry_find(cache, key), *entry = malloc(sizeof(*entry) + key.len);

	CHECK(entry != NULL);
	answer->expires_ms = now_ms + cache_ttl_ms(cache, answer);
	if (before)
		cache_drop(cache, before);
	entry->answer = answer_keep(answer);
	entry->key_len = key.len;
	memcpy(entry->key, key.ptr, key.len);
	map_add(&cache->entries, &entry->node, (struct slice){entry->key, key.len});
	list_push(&cache->age, &entry->age);
	cache->bytes += entry_size(entry);
	while (cache->entries.count > cache->setup.answers_max || cache->bytes > cache->setup.bytes_max)
		cache_drop(cache, cache_oldest(cache));
}

struct answer *cache_find(struct cache *cache, struct slice name, enum dns_type type, uint64_t now_ms)
{
	char room[CACHE_KEY_MAX];
	struct cache_entry *entry = entry_find(cache, cache_key(room, cache->setup.secret, name, type));

	if (entry && entry->answer->expires_ms <= now_ms) {
		cache_drop(cache, entry);
		return NULL;
	}
	return entry ? entry->answer : NULL;
}
