/* Chained buckets, a power of two of them, at most one entry a bucket on average. */
#include "base/map.h"

#include "base/check.h"

#include <stdlib.h>

enum {
	SLOTS_FIRST = 2,	    /* there are thousands of small maps */
	KEY_AT_MAX = (1 << 12) - 1, /* what a node has bits for */
	KEY_LEN_MAX = (1 << 20) - 1
};

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

static void map_link(struct map *map, struct map_node *node, struct slice key)
{
	CHECK(map_find(map, key) == NULL);
	if (map->count >= map->nslots)
		map_grow(map);
	CHECK(key.len <= KEY_LEN_MAX);
	node->len = (uint32_t)key.len & KEY_LEN_MAX;
	node->hash = (uint32_t)slice_hash(key);
	struct map_node **slot = &map->slots[node->hash & (map->nslots - 1)];

	node->next = *slot;
	*slot = node;
	map->count++;
}

void map_add(struct map *map, struct map_node *node, struct slice key)
{
	uintptr_t at = (uintptr_t)key.ptr - (uintptr_t)node;

	CHECK(at >= sizeof(*node) && at <= KEY_AT_MAX);
	node->at = (uint32_t)at & KEY_AT_MAX;
	map_link(map, node, key);
}

void map_add_far(struct map *map, struct map_far *far, struct slice key)
{
	far->key = key.ptr;
	far->node.at = 0;
	map_link(map, &far->node, key);
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
