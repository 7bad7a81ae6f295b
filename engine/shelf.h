/* A shelf: the messages that intake has compiled lately, by the SHA-256 of their stored form, so that a campaign of a
 * thousand jobs compiles its newsletter once and stores it in Redis once an hour.
 *
 *     struct shelf_message *found = shelf_find(&shelf, sha);
 *     if (!found) found = shelf_put(&shelf, sha, message_compile(stored, &limits, &error), stored.len);
 *     mine = message_keep(found->message);
 *
 * The least recently used make room. For one thread. */
#pragma once

#include "mail/message.h"

#include "base/list.h"
#include "base/map.h"
#include "queue/digest.h"

enum { SHELF_BYTES_MAX = 64 << 20, SHELF_MESSAGES_MAX = 1024 };

struct shelf_message {
	struct map_node node; /* by sha */
	struct list link;     /* the least recently used first */
	char sha[DIGEST_HEX];
	struct message *message; /* owned, counted */
	size_t bytes;		 /* of its stored form */
	uint64_t stored_until_s; /* it is in Redis until then, as far as we know; 0: not known */
};

struct shelf {
	struct map messages;
	struct list used;
	size_t bytes;
};

void shelf_init(struct shelf *shelf);
void shelf_free(struct shelf *shelf);
/* NULL if it is not here. Valid until the next put. */
struct shelf_message *shelf_find(struct shelf *shelf, struct slice sha);
/* Takes the message over; there must be none of that name. */
struct shelf_message *shelf_put(struct shelf *shelf, struct slice sha, struct message *message, size_t bytes);
/* What is in Redis is not known any more: the connection was lost, and perhaps more. */
void shelf_forget(struct shelf *shelf);
