/* Little endian by hand, as in a pack: the bytes lie in Redis and are read by queue.lua and by other machines.
 *
 * Instants are kept as small as what is asked of them allows: expiry to the second, rounded up so that nothing expires
 * early; the first attempt as seconds after queueing, so that 0 can mean none. A version in front instead of names for
 * every field: a million of these lie in memory at a time. */
#include "queue/record.h"

#include "base/check.h"

enum { TENANT_AT = 32, JOB_AT = 33, ADDRESS_AT = 34 };

static char *put(char *at, uint64_t n, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		*at++ = (char)(n >> 8 * i);
	return at;
}

static uint64_t get(const char *at, unsigned bytes)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < bytes; i++)
		n |= (uint64_t)(unsigned char)at[i] << 8 * i;
	return n;
}

static uint32_t clamp(uint64_t n)
{
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static uint32_t first_attempt(const struct record *record)
{
	if (record->first_attempt_ms == 0)
		return 0;
	if (record->first_attempt_ms < record->queued_ms) /* a clock was set back in between */
		return 1;
	return clamp((record->first_attempt_ms - record->queued_ms) / 1000 + 1);
}

void record_encode(struct outbuf *out, const struct record *record)
{
	CHECK(record->tenant.len <= UINT8_MAX);
	CHECK(record->job.len <= UINT8_MAX);
	CHECK(record->address.len <= UINT16_MAX);
	char *at = outbuf_room(out, RECORD_FRONT);

	at = put(at, RECORD_VERSION, 1);
	at = put(at, record->recoveries, 1);
	at = put(at, record->attempt, 2);
	at = put(at, record->index, 4);
	at = put(at, clamp(record->expires_ms / 1000 + (record->expires_ms % 1000 > 0)), 4);
	at = put(at, record->queued_ms, 8);
	at = put(at, record->accept, 8);
	at = put(at, first_attempt(record), 4);
	at = put(at, record->tenant.len, 1);
	at = put(at, record->job.len, 1);
	put(at, record->address.len, 2);
	out->len += RECORD_FRONT;
	outbuf_add(out, record->tenant);
	outbuf_add(out, record->job);
	outbuf_add(out, record->address);
	outbuf_add(out, record->extras);
}

bool record_decode(struct slice bytes, struct record *record)
{
	const char *at = bytes.ptr;

	if (bytes.len < RECORD_FRONT || get(at, 1) != RECORD_VERSION)
		return false;
	size_t tenant = get(at + TENANT_AT, 1), job = get(at + JOB_AT, 1), address = get(at + ADDRESS_AT, 2);
	struct slice rest = slice_skip(bytes, RECORD_FRONT);

	if (tenant + job + address > rest.len)
		return false;
	uint64_t first = get(at + 28, 4);

	record->recoveries = (uint8_t)get(at + 1, 1);
	record->attempt = (uint16_t)get(at + 2, 2);
	record->index = (uint32_t)get(at + 4, 4);
	record->expires_ms = get(at + 8, 4) * 1000;
	record->queued_ms = get(at + 12, 8);
	record->accept = get(at + 20, 8);
	record->first_attempt_ms = first ? record->queued_ms + (first - 1) * 1000 : 0;
	record->tenant = slice_head(rest, tenant);
	record->job = slice_head(slice_skip(rest, tenant), job);
	record->address = slice_head(slice_skip(rest, tenant + job), address);
	record->extras = slice_skip(rest, tenant + job + address);
	return true;
}

struct slice record_source(const struct record *record)
{
	struct slice bound = pack_get(record->extras, SLICE("s"));

	return bound.len ? bound : pack_get(record->extras, SLICE("l"));
}

void list_name(struct outbuf *out, const struct list_parts *parts)
{
	outbuf_add(out, parts->transactional ? SLICE("t:") : SLICE("b:"));
	outbuf_add(out, parts->domain);
	outbuf_byte(out, ':');
	outbuf_add(out, parts->tenant);
	if (parts->pool.len) {
		outbuf_byte(out, '/');
		outbuf_add(out, parts->pool);
	}
	outbuf_byte(out, ':');
	outbuf_add(out, parts->campaign);
}

/* Up to the next colon; an address literal's own colons are between brackets. */
static bool take_domain(struct slice *rest, struct slice *domain)
{
	size_t skip = slice_starts(*rest, SLICE("[")) ? slice_find(*rest, ']') : 0;
	size_t end = skip + slice_find(slice_skip(*rest, skip), ':');

	if (end >= rest->len)
		return false;
	*domain = slice_head(*rest, end);
	*rest = slice_skip(*rest, end + 1);
	return true;
}

bool list_parse(struct slice name, struct list_parts *parts)
{
	bool transactional = slice_starts(name, SLICE("t:"));

	if (!transactional && !slice_starts(name, SLICE("b:")))
		return false;
	struct slice rest = slice_skip(name, 2);

	if (!take_domain(&rest, &parts->domain) || slice_find(rest, ':') == rest.len)
		return false;
	parts->transactional = transactional;
	parts->pool = slice_until(&rest, ':');
	parts->tenant = slice_until(&parts->pool, '/');
	parts->campaign = rest;
	return true;
}
