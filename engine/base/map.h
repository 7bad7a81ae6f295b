/* A hash map from a slice to a thing that embeds its node.
 *
 * The node is a field of the thing, the key is borrowed from it and must live as long as the entry. The table
 * grows by itself; nothing is allocated per entry.
 *
 *     struct site { struct map_node node; ... };
 *     struct map_node *found = map_find(&sites, name);
 *     if (!found) map_add(&sites, &site->node, site_name(site)); */
#pragma once

#include "base/slice.h"

struct map_node {
	struct map_node *next;
	const char *key; /* borrowed; see map_key */
	uint32_t len, hash;
};

struct map {
	struct map_node **slots; /* owned */
	uint32_t nslots, count;
};

static inline struct slice map_key(const struct map_node *node)
{
	return (struct slice){node->key, node->len};
}

#define MAP_OWNER(node, type, field) ((type *)((char *)(node)-offsetof(type, field)))

/* Visits every entry; the one at hand may be removed meanwhile, none may be added. */
#define MAP_EACH(node, map)                                                                                            \
	for (size_t node##_slot = 0; node##_slot < (map)->nslots; node##_slot++)                                       \
		for (struct map_node *node = (map)->slots[node##_slot], *node##_next = node ? node->next : NULL; node; \
		     node = node##_next, node##_next = node ? node->next : NULL)

/* An empty map is all zero; map_free gives back the table, not the entries. */
void map_free(struct map *map);
struct map_node *map_find(const struct map *map, struct slice key);
/* The key must not be there yet. */
void map_add(struct map *map, struct map_node *node, struct slice key);
void map_remove(struct map *map, struct map_node *node);
