/* One map, an entry a domain that was ever found to have a policy, or to say so. A policy that holds is refreshed when
 * its domain is asked about, a day after it was fetched or in the middle of its life if that is sooner: so one that has
 * mail always has a fresh one, and one that has none costs nothing.
 *
 * Rejected: refreshing all by a clock, which asks a hundred thousand hosts a day for domains nobody writes to. */
#include "tls/sts_book.h"

#include "base/check.h"
#include "base/outbuf.h"

#include <stdlib.h>
#include <string.h>

void sts_book_free(struct sts_book *book)
{
	MAP_EACH (node, &book->entries) {
		struct sts_entry *entry = MAP_OWNER(node, struct sts_entry, node);

		sts_policy_free(entry->policy);
		free(entry);
	}
	map_free(&book->entries);
}

static struct sts_entry *entry_find(const struct sts_book *book, struct slice domain)
{
	struct map_node *node = map_find(&book->entries, domain);

	return node ? MAP_OWNER(node, struct sts_entry, node) : NULL;
}

struct sts_entry *sts_book_entry(struct sts_book *book, struct slice domain)
{
	struct sts_entry *entry = entry_find(book, domain);

	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry) + domain.len);
	CHECK(entry != NULL);
	memcpy(entry + 1, domain.ptr, domain.len);
	list_init(&entry->waiting);
	map_add(&book->entries, &entry->node, (struct slice){(char *)(entry + 1), domain.len});
	return entry;
}

static void id_set(char room[STS_ID_MAX + 1], struct slice id)
{
	id = slice_head(id, STS_ID_MAX);
	memcpy(room, id.ptr, id.len);
	room[id.len] = '\0';
}

struct sts_policy *sts_entry_policy(const struct sts_entry *entry, int64_t now_ms)
{
	return entry->policy && now_ms < entry->expires_ms ? entry->policy : NULL;
}

static bool may_try(const struct sts_entry *entry, struct slice id, int64_t now_ms, int64_t apart_ms)
{
	return !slice_is(slice_of(entry->tried_id), id) || now_ms - entry->tried_ms >= apart_ms ||
	       now_ms < entry->tried_ms;
}

static bool is_stale(const struct sts_entry *entry, int64_t now_ms)
{
	int64_t half_ms = (entry->expires_ms - entry->fetched_ms) / 2;

	return now_ms - entry->fetched_ms >= (half_ms < STS_DAY_MS ? half_ms : STS_DAY_MS);
}

enum sts_need sts_book_need(struct sts_book *book, struct slice domain, struct slice id, int64_t now_ms,
			    struct sts_policy **policy)
{
	struct sts_entry *entry = entry_find(book, domain);

	*policy = entry ? sts_entry_policy(entry, now_ms) : NULL;
	if (!id.len)
		return STS_GO_ON;
	if (!entry)
		return STS_WAIT;
	if (*policy && slice_is(slice_of(entry->id), id))
		return is_stale(entry, now_ms) && may_try(entry, id, now_ms, STS_REFRESH_AGAIN_MS) ? STS_REFRESH
												   : STS_GO_ON;
	return entry->fetching || may_try(entry, id, now_ms, STS_AGAIN_MS) ? STS_WAIT : STS_GO_ON;
}

void sts_book_fetched(struct sts_book *book, struct slice domain, struct slice id, struct sts_policy *policy,
		      int64_t now_ms)
{
	struct sts_entry *entry = sts_book_entry(book, domain);

	sts_policy_free(entry->policy);
	entry->policy = policy;
	id_set(entry->id, id);
	entry->tried_id[0] = '\0';
	entry->failures = 0;
	entry->fetched_ms = now_ms;
	entry->expires_ms = now_ms + (int64_t)policy->max_age_s * 1000;
}

bool sts_book_failed(struct sts_book *book, struct slice domain, struct slice id, int64_t now_ms)
{
	struct sts_entry *entry = sts_book_entry(book, domain);
	const struct sts_policy *policy = sts_entry_policy(entry, now_ms);

	id_set(entry->tried_id, id);
	entry->tried_ms = now_ms;
	entry->failures++;
	return policy && policy->mode != STS_NONE && entry->failures % STS_REFRESH_ALARM == 0;
}

void sts_entry_write(const struct sts_entry *entry, struct outbuf *out)
{
	outbuf_printf(out, "%s %llu\n", entry->id, (unsigned long long)entry->fetched_ms);
	outbuf_add(out, entry->policy->file);
}

bool sts_book_restore(struct sts_book *book, struct slice domain, struct slice text, int64_t now_ms)
{
	struct slice line = slice_until(&text, '\n'), id = slice_until(&line, ' ');
	char why[STS_WHY_MAX];
	uint64_t fetched_ms;
	struct sts_policy *policy;

	if (!id.len || id.len > STS_ID_MAX || !slice_number(line, INT64_MAX / 2, &fetched_ms))
		return false;
	policy = sts_policy_read(text, why);
	if (!policy || now_ms >= (int64_t)fetched_ms + (int64_t)policy->max_age_s * 1000) {
		sts_policy_free(policy);
		return false;
	}
	sts_book_fetched(book, domain, id, policy, (int64_t)fetched_ms);
	return true;
}
