/* A map and a list through the same entries. Bounded by the bytes that were submitted: what compiling makes of them is
 * about twice that. */
#include "shelf.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

void shelf_init(struct shelf *shelf)
{
	*shelf = (struct shelf){0};
	list_init(&shelf->used);
}

static void drop(struct shelf *shelf, struct shelf_message *entry)
{
	map_remove(&shelf->messages, &entry->node);
	list_remove(&entry->link);
	shelf->bytes -= entry->bytes;
	message_free(entry->message);
	free(entry);
}

void shelf_free(struct shelf *shelf)
{
	struct list *first;

	while ((first = list_first(&shelf->used)))
		drop(shelf, LIST_OWNER(first, struct shelf_message, link));
	map_free(&shelf->messages);
}

struct shelf_message *shelf_find(struct shelf *shelf, struct slice sha)
{
	struct map_node *node = map_find(&shelf->messages, sha);

	if (!node)
		return NULL;
	struct shelf_message *found = MAP_OWNER(node, struct shelf_message, node);

	list_remove(&found->link);
	list_push(&shelf->used, &found->link);
	return found;
}

struct shelf_message *shelf_put(struct shelf *shelf, struct slice sha, struct message *message, size_t bytes)
{
	struct shelf_message *entry = calloc(1, sizeof(*entry));

	CHECK(entry != NULL && message != NULL);
	CHECK(sha.len == DIGEST_HEX - 1 && !map_find(&shelf->messages, sha));
	memcpy(entry->sha, sha.ptr, sha.len);
	entry->message = message;
	entry->bytes = bytes;
	shelf->bytes += bytes;
	map_add(&shelf->messages, &entry->node, (struct slice){entry->sha, sha.len});
	list_push(&shelf->used, &entry->link);
	while (shelf->bytes > SHELF_BYTES_MAX || shelf->messages.count > SHELF_MESSAGES_MAX) {
		struct shelf_message *oldest = LIST_OWNER(list_first(&shelf->used), struct shelf_message, link);

		if (oldest == entry)
			break;
		drop(shelf, oldest);
	}
	return entry;
}

void shelf_forget(struct shelf *shelf)
{
	LIST_EACH (link, &shelf->used) {
		LIST_OWNER(link, struct shelf_message, link)->stored_until_s = 0;
	}
}
