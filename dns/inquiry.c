/* The little brother of a lookup (lookup.c): one question at a time, and the next where an answer ends in a CNAME. The
 * name at hand is kept here, for an answer that is replaced takes its names with it. */
#include "dns/inquiry.h"

#include "base/check.h"
#include "dns/packet.h"
#include "dns/resolver.h"

#include <stdlib.h>
#include <string.h>

struct inquiry_way {
	struct inquiry *inquiry;   /* whose it is */
	struct resolver *resolver; /* parent's */
	struct query query;
	enum dns_type type;
	enum followed followed;
	struct answer *answer; /* counted; NULL: none yet */
	struct name_chain chain;
	char room[DNS_NAME_MAX];
};

static void way_end(struct inquiry_way *way, enum followed followed)
{
	way->followed = followed;
	way->inquiry->answered(way->inquiry);
}

/* Takes an answer in; false when a CNAME at its end must be asked for. */
static bool way_hear(struct inquiry_way *way, struct answer *answer)
{
	struct answer *before = way->answer;

	way->answer = answer_keep(answer);
	way->followed = answer_follow(answer, &way->chain);
	if (way->followed == FOLLOWED_ELSEWHERE) {
		struct slice name = slice_head(way->chain.name, sizeof(way->room));

		memmove(way->room, name.ptr, name.len);
		way->chain.name = (struct slice){way->room, name.len};
	}
	answer_free(before);
	return way->followed != FOLLOWED_ELSEWHERE;
}

static void way_advance(struct inquiry_way *way)
{
	struct answer *known;

	do {
		if (!packet_name_is_valid(way->chain.name)) {
			way_end(way, FOLLOWED_NO_NAME);
			return;
		}
		known = resolver_known(way->resolver, way->chain.name, way->type);
		if (!known) {
			resolver_ask(way->resolver, &way->query, way->chain.name, way->type);
			return;
		}
	} while (!way_hear(way, known));
	way_end(way, way->followed);
}

static void on_answer(struct query *query, struct answer *answer)
{
	struct inquiry_way *way = LIST_OWNER(query, struct inquiry_way, query);

	if (way_hear(way, answer))
		way_end(way, way->followed);
	else
		way_advance(way);
}

void inquiry_begin(struct inquiry *inquiry, struct dns *dns, struct slice name, enum inquiry_kind kind)
{
	static const enum dns_type types[] = {
		[INQUIRY_TEXT] = DNS_TXT, [INQUIRY_IPV4] = DNS_A, [INQUIRY_IPV6] = DNS_AAAA};
	struct inquiry_way *way = calloc(1, sizeof(*way));

	CHECK(way != NULL);
	name = slice_head(name, sizeof(way->room));
	memcpy(way->room, name.ptr, name.len);
	inquiry->kind = kind;
	inquiry->way = way;
	way->inquiry = inquiry;
	way->resolver = dns_resolver(dns);
	way->type = types[kind];
	way->chain = name_chain_start((struct slice){way->room, name.len});
	way->query.answered = on_answer;
	list_init(&way->query.link);
	way_advance(way);
}

void inquiry_end(struct inquiry *inquiry)
{
	struct inquiry_way *way = inquiry->way;

	if (!way)
		return;
	inquiry->way = NULL;
	resolver_unask(way->resolver, &way->query);
	answer_free(way->answer);
	free(way);
}

/* The next record at the name the chain ended in. */
static const struct record *next_record(const struct inquiry *inquiry, unsigned *at)
{
	const struct inquiry_way *way = inquiry->way;
	const struct answer *answer = way && way->followed == FOLLOWED_FOUND ? way->answer : NULL;

	while (answer && *at < answer->nrecords) {
		const struct record *record = &answer->records[(*at)++];

		if (record->type == way->type && slice_is(record->owner, way->chain.name))
			return record;
	}
	return NULL;
}

unsigned inquiry_texts(const struct inquiry *inquiry, struct slice *texts, unsigned max)
{
	const struct record *record;
	unsigned n = 0, at = 0;

	CHECK(inquiry->kind == INQUIRY_TEXT);
	while (n < max && (record = next_record(inquiry, &at)))
		texts[n++] = record->target;
	return n;
}

unsigned inquiry_addresses(const struct inquiry *inquiry, struct address *addresses, unsigned max, uint16_t port)
{
	const struct record *record;
	unsigned n = 0, at = 0;

	CHECK(inquiry->kind != INQUIRY_TEXT);
	while (n < max && (record = next_record(inquiry, &at)))
		addresses[n++] =
			inquiry->kind == INQUIRY_IPV4 ? address_v4(record->ip, port) : address_v6(record->ip, port);
	return n;
}
