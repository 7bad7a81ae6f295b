/* The little brother of a lookup (lookup.c): one question at a time, and the next where an answer ends in a CNAME. The
 * name at hand is kept here, for an answer that is replaced takes its names with it. */
#include "dns/inquiry.h"

#include "dns/packet.h"

#include <string.h>

static void inquiry_done(struct inquiry *inquiry, enum followed followed)
{
	inquiry->followed = followed;
	inquiry->answered(inquiry);
}

/* Takes an answer in; false when a CNAME at its end must be asked for. */
static bool inquiry_hear(struct inquiry *inquiry, struct answer *answer)
{
	struct answer *before = inquiry->answer;

	inquiry->answer = answer_keep(answer);
	inquiry->followed = answer_follow(answer, &inquiry->chain);
	if (inquiry->followed == FOLLOWED_ELSEWHERE) {
		struct slice name = slice_head(inquiry->chain.name, sizeof(inquiry->room));

		memmove(inquiry->room, name.ptr, name.len);
		inquiry->chain.name = (struct slice){inquiry->room, name.len};
	}
	answer_free(before);
	return inquiry->followed != FOLLOWED_ELSEWHERE;
}

static void inquiry_advance(struct inquiry *inquiry)
{
	struct answer *known;

	do {
		if (!packet_name_is_valid(inquiry->chain.name)) {
			inquiry_done(inquiry, FOLLOWED_NO_NAME);
			return;
		}
		known = resolver_known(inquiry->resolver, inquiry->chain.name, inquiry->type);
		if (!known) {
			resolver_ask(inquiry->resolver, &inquiry->query, inquiry->chain.name, inquiry->type);
			return;
		}
	} while (!inquiry_hear(inquiry, known));
	inquiry_done(inquiry, inquiry->followed);
}

static void on_answer(struct query *query, struct answer *answer)
{
	struct inquiry *inquiry = LIST_OWNER(query, struct inquiry, query);

	if (inquiry_hear(inquiry, answer))
		inquiry_done(inquiry, inquiry->followed);
	else
		inquiry_advance(inquiry);
}

void inquiry_begin(struct inquiry *inquiry, struct dns *dns, struct slice name, enum dns_type type)
{
	name = slice_head(name, sizeof(inquiry->room));
	memcpy(inquiry->room, name.ptr, name.len);
	inquiry->resolver = dns_resolver(dns);
	inquiry->type = type;
	inquiry->answer = NULL;
	inquiry->chain = name_chain_start((struct slice){inquiry->room, name.len});
	inquiry->query.answered = on_answer;
	list_init(&inquiry->query.link);
	inquiry_advance(inquiry);
}

void inquiry_end(struct inquiry *inquiry)
{
	if (!inquiry->resolver)
		return;
	resolver_unask(inquiry->resolver, &inquiry->query);
	answer_free(inquiry->answer);
	inquiry->answer = NULL;
	inquiry->resolver = NULL;
}

/* The next record at the name the chain ended in. */
static const struct record *next_record(const struct inquiry *inquiry, unsigned *at)
{
	const struct answer *answer = inquiry->followed == FOLLOWED_FOUND ? inquiry->answer : NULL;

	while (answer && *at < answer->nrecords) {
		const struct record *record = &answer->records[(*at)++];

		if (record->type == inquiry->type && slice_is(record->owner, inquiry->chain.name))
			return record;
	}
	return NULL;
}

unsigned inquiry_texts(const struct inquiry *inquiry, struct slice *texts, unsigned max)
{
	const struct record *record;
	unsigned n = 0, at = 0;

	while (n < max && (record = next_record(inquiry, &at)))
		texts[n++] = record->target;
	return n;
}

unsigned inquiry_addresses(const struct inquiry *inquiry, struct address *addresses, unsigned max, uint16_t port)
{
	const struct record *record;
	unsigned n = 0, at = 0;

	while (n < max && (record = next_record(inquiry, &at)))
		addresses[n++] = inquiry->type == DNS_A ? address_v4(record->ip, port) : address_v6(record->ip, port);
	return n;
}
