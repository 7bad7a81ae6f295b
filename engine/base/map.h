/* A hash map from a slice to a thing that embeds its node.
 *
 * The node is a field of the thing, and so is the key, somewhere behind it: there may be hundreds of thousands of
 * things, and a node need not point to what is at hand. A thing whose key is elsewhere has a map_far; that key is
 * borrowed, and must live as long as the entry. The table grows by itself; nothing is allocated per entry.
 *
 *     struct site { struct map_node node; ...; char text[]; };
 *     struct map_node *found = map_find(&sites, name);
 *     if (!found) map_add(&sites, &site->node, (struct slice){site->text, len}); */
#pragma once

#include "base/slice.h"

struct map_node {
	struct map_node *next;
	uint32_t hash;
	uint32_t at : 12, len : 20; /* of the key: bytes from the node, 0: it is a map_far's; see map_key */
};

struct map_far {
	struct map_node node;
	const char *key; /* borrowed */
};

struct map {
	struct map_node **slots; /* owned */
	uint32_t nslots, count;
};

#define MAP_OWNER(node, type, field) ((type *)((char *)(node)-offsetof(type, field)))

static inline struct slice map_key(const struct map_node *node)
{
	const char *key = node->at ? (const char *)node + node->at : MAP_OWNER(node, const struct map_far, node)->key;

	return (struct slice){key, node->len};
}

/* Visits every entry; the one at hand may be removed meanwhile, none may be added. */
#define MAP_EACH(node, map)                                                                                            \
	for (size_t node##_slot = 0; node##_slot < (map)->nslots; node##_slot++)                                       \
		for (struct map_node *node = (map)->slots[node##_slot], *node##_next = node ? node->next : NULL; node; \
		     node = node##_next, node##_next = node ? node->next : NULL)

/* An empty map is all zero; map_free gives back the table, not the entries. */
void map_free(struct map *map);
struct map_node *map_find(const struct map *map, struct slice key);
/* The key must not be there yet, and not be longer than a megabyte. */
void map_add(struct map *map, struct map_node *node, struct slice key);
void map_add_far(struct map *map, struct map_far *far, struct slice key);
void map_remove(struct map *map, struct map_node *node);
