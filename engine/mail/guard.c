/* Of each line only its beginning is kept, no more than a delimiter can have. Of a literal, only its first and its last
 * line matter: those between are the submitter's own. */
#include "mail/guard.h"

#include <string.h>

static void keep(struct guard *guard, struct slice bytes)
{
	size_t room = sizeof(guard->line) - guard->len;
	size_t n = bytes.len < room ? bytes.len : room;

	if (n)
		memcpy(guard->line + guard->len, bytes.ptr, n);
	guard->len += (unsigned)n;
}

void guard_end(struct guard *guard)
{
	struct slice line = {guard->line, guard->len};

	guard->broken |= guard->touched && mime_is_delimiter(guard->boundaries, guard->nboundaries, line);
	guard->touched = false;
	guard->len = 0;
}

void guard_literal(struct guard *guard, const struct piece *piece)
{
	keep(guard, slice_head(piece->plain, piece->head));
	if (!piece->broken)
		return;
	guard_end(guard);
	keep(guard, slice_skip(piece->plain, piece->plain.len - piece->tail));
}

/* Even nothing at all touches a line: it may have stood before what now begins it. */
void guard_value(struct guard *guard, struct slice bytes)
{
	guard->touched = true;
	while (bytes.len) {
		size_t n = slice_find(bytes, '\r');

		keep(guard, slice_head(bytes, n));
		if (n < bytes.len) {
			guard_end(guard);
			guard->touched = true;
		}
		bytes = slice_skip(bytes, n + 2);
	}
}
