/* Little endian by hand: the bytes live in Redis and may be read by another machine. */
#include "base/pack.h"

#include "base/check.h"

enum { HEAD = 6 };

void pack_add(struct outbuf *out, enum pack_kind kind, struct slice name, struct slice value)
{
	CHECK(name.len <= 255);
	CHECK(value.len <= UINT32_MAX);
	char *head = outbuf_room(out, HEAD);

	head[0] = (char)kind;
	head[1] = (char)name.len;
	for (int i = 0; i < 4; i++)
		head[2 + i] = (char)(value.len >> 8 * i);
	out->len += HEAD;
	outbuf_add(out, name);
	outbuf_add(out, value);
}

bool pack_next(struct slice *pack, struct pack_entry *entry)
{
	const unsigned char *head = (const unsigned char *)pack->ptr;

	if (pack->len < HEAD)
		return false;
	size_t name = head[1], value = 0;

	for (int i = 0; i < 4; i++)
		value |= (size_t)head[2 + i] << 8 * i;
	if (name + value > pack->len - HEAD)
		return false;
	entry->kind = (enum pack_kind)head[0];
	entry->name = (struct slice){pack->ptr + HEAD, name};
	entry->value = (struct slice){pack->ptr + HEAD + name, value};
	*pack = slice_skip(*pack, HEAD + name + value);
	return true;
}

bool pack_find(struct slice pack, struct slice name, struct pack_entry *entry)
{
	while (pack_next(&pack, entry))
		if (slice_is(entry->name, name))
			return true;
	return false;
}

struct slice pack_get(struct slice pack, struct slice name)
{
	struct pack_entry entry;

	return pack_find(pack, name, &entry) ? entry.value : SLICE_NONE;
}
