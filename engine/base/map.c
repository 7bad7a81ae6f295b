/* Chained buckets, a power of two of them, at most one entry a bucket on average. */
#include "base/map.h"

#include "base/check.h"

#include <stdlib.h>

enum { SLOTS_FIRST = 2 /* there are thousands of small maps */ };

void map_free(struct map *map)
{
	free(map->slots);
	*map = (struct map){0};
}

struct map_node *map_find(const struct map *map, struct slice key)
{
	if (map->nslots == 0)
		return NULL;
	uint32_t hash = (uint32_t)slice_hash(key);

	for (struct map_node *node = map->slots[hash & (map->nslots - 1)]; node; node = node->next)
		if (node->hash == hash && slice_is(map_key(node), key))
			return node;
	return NULL;
}

static void map_grow(struct map *map)
{
	uint32_t nslots = map->nslots ? map->nslots * 2 : SLOTS_FIRST;
	struct map_node **slots = calloc(nslots, sizeof(*slots));

	CHECK(slots != NULL);
	MAP_EACH (node, map) {
		struct map_node **slot = &slots[node->hash & (nslots - 1)];

		node->next = *slot;
		*slot = node;
	}
	free(map->slots);
	map->slots = slots;
	map->nslots = nslots;
}

void map_add(struct map *map, struct map_node *node, struct slice key)
{
	CHECK(map_find(map, key) == NULL);
	if (map->count >= map->nslots)
		map_grow(map);
	CHECK(key.len <= UINT32_MAX);
	node->key = key.ptr;
	node->len = (uint32_t)key.len;
	node->hash = (uint32_t)slice_hash(key);
	struct map_node **slot = &map->slots[node->hash & (map->nslots - 1)];

	node->next = *slot;
	*slot = node;
	map->count++;
}

void map_remove(struct map *map, struct map_node *node)
{
	CHECK(map->nslots > 0);
	struct map_node **slot = &map->slots[node->hash & (map->nslots - 1)];

	while (*slot && *slot != node)
		slot = &(*slot)->next;
	CHECK(*slot == node);
	*slot = node->next;
	map->count--;
}
