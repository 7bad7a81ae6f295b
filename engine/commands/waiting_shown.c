/* One form for both commands, so that a program that reads one can read the other. */
#include "waiting_shown.h"

#include "queue/time.h"

bool waiting_is_due(uint64_t ms)
{
	return ms && ms < TIME_MS_MAX - 1000;
}

void waiting_clean(struct outbuf *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		outbuf_byte(out, (unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f ? ' ' : text.ptr[i]);
}

void waiting_json(struct outbuf *out, const struct waiting *waiting, const struct reason *reason)
{
	const struct record *record = &waiting->record;

	outbuf_byte(out, '{');
	outbuf_json_text(out, "to", record->address);
	outbuf_json_text(out, "state", slice_of(waiting_place_name(waiting->place)));
	outbuf_json_text(out, "job", record->job);
	outbuf_json_text(out, "tenant", record->tenant);
	outbuf_json_text(out, "campaign", waiting->parts.campaign);
	if (waiting->site.len)
		outbuf_json_text(out, "site", waiting->site);
	outbuf_json_number(out, "index", record->index);
	outbuf_json_number(out, "attempt", record->attempt);
	outbuf_json_number(out, "queued", record->queued_ms);
	if (record->expires_ms)
		outbuf_json_number(out, "expires", record->expires_ms);
	if (waiting_is_due(reason->until_ms))
		outbuf_json_number(out, "next", reason->until_ms);
	if (pack_get(record->extras, SLICE("e")).len)
		outbuf_json_text(out, "reply", pack_get(record->extras, SLICE("e")));
	if (record_source(record).len)
		outbuf_json_text(out, "source", record_source(record));
	outbuf_json_text(out, "waits_for", reason->text);
}
