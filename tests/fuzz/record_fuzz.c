/* Reading records, and names of lists, from bytes that somebody else may have written into Redis. What is taken for a
 * record lies inside the bytes, and encoded again it is the same bytes: nothing of it was lost or invented. */
#include "queue/record.h"

#include "base/check.h"

static bool is_inside(struct slice part, struct slice bytes)
{
	return part.len == 0 || (part.ptr >= bytes.ptr && part.ptr + part.len <= bytes.ptr + bytes.len);
}

static void record_check(struct slice bytes)
{
	struct record record;
	struct outbuf again = {0};
	struct pack_entry entry;

	if (!record_decode(bytes, &record))
		return;
	CHECK(is_inside(record.tenant, bytes));
	CHECK(is_inside(record.job, bytes));
	CHECK(is_inside(record.address, bytes));
	CHECK(is_inside(record.extras, bytes));
	CHECK(RECORD_FRONT + record.tenant.len + record.job.len + record.address.len + record.extras.len == bytes.len);
	/* An instant so late that it wraps, or the very first one, is what cannot come back. */
	if (record.queued_ms > 0 && record.queued_ms < UINT64_MAX / 2) {
		record_encode(&again, &record);
		CHECK(slice_is(outbuf_slice(&again), bytes));
	}
	for (struct slice rest = record.extras; pack_next(&rest, &entry);) {
		CHECK(is_inside(entry.name, record.extras));
		CHECK(is_inside(entry.value, record.extras));
	}
	outbuf_free(&again);
}

static void list_check(struct slice name)
{
	struct list_parts parts;
	struct outbuf again = {0};

	if (!list_parse(name, &parts))
		return;
	list_name(&again, &parts);
	/* "acme/" and "acme" are the same pool: none. Only the latter is ever written. */
	CHECK(slice_is(outbuf_slice(&again), name) || again.len + 1 == name.len);
	outbuf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice input = {(const char *)bytes, len};

	record_check(input);
	list_check(input);
	return 0;
}
