/* A pack: named values in one run of bytes, without pointers, to be stored in Redis and read back without
 * allocating. Recipients' variables travel this way, and everything optional in a queue record.
 *
 * One entry: kind (1 byte), length of the name (1), length of the value (4, little endian), name, value.
 *
 *     pack_add(&out, PACK_TEXT, SLICE("name"), SLICE("Ann"));
 *     struct pack_entry entry;
 *     if (pack_find(bytes, SLICE("name"), &entry)) use(entry.value);
 *
 * Reading trusts nothing: an entry that would reach past the end is no entry. */
#pragma once

#include "base/outbuf.h"

/* PACK_TEXT: as it is. PACK_LITERAL: a JSON number, true or false, as its text. PACK_NULL: present, and empty.
 * PACK_JSON: an object or array, as JSON. */
enum pack_kind { PACK_TEXT = 't', PACK_LITERAL = 'l', PACK_NULL = 'n', PACK_JSON = 'j' };

struct pack_entry {
	enum pack_kind kind;
	struct slice name, value; /* borrowed from the pack */
};

/* The name must be at most 255 bytes. */
void pack_add(struct outbuf *out, enum pack_kind kind, struct slice name, struct slice value);
/* Takes the first entry off the pack; false at the end, or when the rest is not a pack. */
bool pack_next(struct slice *pack, struct pack_entry *entry);
/* The first entry of that name. */
bool pack_find(struct slice pack, struct slice name, struct pack_entry *entry);
/* Its value, or SLICE_NONE. */
struct slice pack_get(struct slice pack, struct slice name);
