/* At most three questions a host, mostly one, and none where its addresses are not signed: servers of unsigned zones
 * are known to answer questions for TLSA with silence (RFC 7672 2.2.2).
 *
 * Records are sorted, because resolvers turn the order from answer to answer, and kept TLS sessions are found by what
 * was demanded of them. Whether a record can be used is for tls/ to say: here also the unusable ones count, since they
 * promise TLS all the same. */
#include "dns/tlsa.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void search_end(struct tlsa_search *search, enum security kind)
{
	search->found.kind = kind;
	search->over = true;
}

void tlsa_begin(struct tlsa_search *search, struct slice host, struct slice owner, bool secure, struct arena *arena)
{
	bool has_alias = !slice_is(host, owner);

	*search = (struct tlsa_search){.arena = arena, .asks_alias = has_alias && !secure};
	if (secure)
		search->bases[search->nbases++] = owner;
	if (has_alias)
		search->bases[search->nbases++] = host;
	if (search->nbases == 0)
		search_end(search, SECURITY_UNSIGNED);
}

bool tlsa_next(struct tlsa_search *search, uint16_t port, struct slice *name, enum dns_type *type)
{
	if (search->over)
		return false;
	struct slice base = search->bases[search->ntried];

	if (search->asks_alias) {
		*type = DNS_CNAME;
		*name = base;
		return true;
	}
	size_t room = base.len + sizeof("_65535._tcp.");
	char *text = arena_alloc(search->arena, room);
	int n = snprintf(text, room, "_%u._tcp.%.*s", port, SLICE_ARG(base));

	*type = DNS_TLSA;
	*name = (struct slice){text, (size_t)n};
	return true;
}

static int record_order(const void *a, const void *b)
{
	const struct tlsa *x = a, *y = b;
	const uint8_t left[] = {x->usage, x->selector, x->matching}, right[] = {y->usage, y->selector, y->matching};
	int order = memcmp(left, right, sizeof(left));

	if (order == 0 && x->data.len && y->data.len)
		order = memcmp(x->data.ptr, y->data.ptr, x->data.len < y->data.len ? x->data.len : y->data.len);
	return order ? order : (x->data.len > y->data.len) - (x->data.len < y->data.len);
}

static void search_found(struct tlsa_search *search, const struct answer *answer)
{
	struct host_security *found = &search->found;
	struct tlsa *records = arena_alloc(search->arena, answer->nrecords * sizeof(*records));

	for (unsigned i = 0; i < answer->nrecords; i++) {
		if (answer->records[i].type != DNS_TLSA)
			continue;
		records[found->nrecords] = answer->records[i].tlsa;
		records[found->nrecords++].data = arena_copy(search->arena, answer->records[i].tlsa.data);
	}
	qsort(records, found->nrecords, sizeof(*records), record_order);
	found->records = records;
	found->base = search->bases[search->ntried];
	search_end(search, SECURITY_TLSA);
}

void tlsa_hear(struct tlsa_search *search, enum followed followed, bool secure, const struct answer *answer)
{
	CHECK(!search->over);
	bool is_found = followed == FOLLOWED_FOUND && secure;

	if (followed == FOLLOWED_FAILED || followed == FOLLOWED_LOOP || (answer && answer->cut)) {
		search->why = followed == FOLLOWED_FAILED ? answer->failure
			      : followed == FOLLOWED_LOOP ? "its CNAMEs go round in a circle, or over too many names"
							  : "an answer too long to read";
		search_end(search, SECURITY_LOST);
	} else if (search->asks_alias) {
		search->asks_alias = false;
		if (!is_found)
			search_end(search, SECURITY_UNSIGNED);
	} else if (is_found) {
		search_found(search, answer);
	} else if (++search->ntried == search->nbases) {
		search_end(search, SECURITY_NO_TLSA);
	}
}
