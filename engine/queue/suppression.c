/* Fields and values are texts, so that an operator can read them with redis-cli, and a function in Lua without
 * unpacking.
 */
#include "queue/suppression.h"

#include "base/check.h"

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

void suppression_field(struct outbuf *out, struct slice tenant, struct slice address)
{
	size_t at = slice_find_last(address, '@');
	char *local;

	CHECK(at < address.len);
	outbuf_add(out, tenant);
	outbuf_byte(out, ':');
	local = outbuf_room(out, at);
	for (size_t i = 0; i < at; i++)
		local[i] = lower(address.ptr[i]);
	out->len += at;
}

struct slice suppression_domain(struct slice address)
{
	return slice_skip(address, slice_find_last(address, '@') + 1);
}

static bool take_number(struct slice *rest, uint64_t *n)
{
	return slice_number(slice_until(rest, ' '), UINT64_MAX, n);
}

bool suppression_read(struct slice value, struct suppression *entry)
{
	struct slice rest = value;
	uint64_t last;

	*entry = (struct suppression){.counts = value.len > 0 && value.ptr[0] == '?'};
	if (entry->counts) {
		rest = slice_skip(rest, 1);
		if (!take_number(&rest, &entry->until_s))
			return false;
		entry->reason = slice_until(&rest, ' ');
		entry->by = SLICE("verdict");
		return take_number(&rest, &entry->since_s) && take_number(&rest, &last) &&
		       take_number(&rest, &entry->verdicts);
	}
	if (!take_number(&rest, &entry->until_s) || !take_number(&rest, &entry->since_s))
		return false;
	entry->by = slice_until(&rest, ' ');
	entry->reason = rest;
	return entry->by.len > 0;
}

static bool is_printable(struct slice text, char least)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < least || text.ptr[i] == 127)
			return false;
	return text.len > 0 && text.len <= SUPPRESSION_REASON_MAX;
}

bool suppression_reason_is_fine(struct slice reason)
{
	return is_printable(reason, ' ') && reason.ptr[0] != ' ' && reason.ptr[reason.len - 1] != ' ';
}

bool suppression_by_is_fine(struct slice by)
{
	return is_printable(by, '!');
}
