/* One block of memory an answer: the fields, the records, the names. Owners are mostly one and the same name, so a
 * name that was copied last is not copied again.
 *
 * Following CNAMEs looks for the next one from the start each time: answers have a handful of records and chains at
 * most eight links, and an index would be longer than the search. Names left behind are remembered as hashes: whoever
 * makes two of his own names collide gets his own domain called a loop. */
#include "dns/answer.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

static size_t names_size(const struct record *records, unsigned nrecords)
{
	size_t size = 0;

	for (unsigned i = 0; i < nrecords; i++)
		size += records[i].owner.len + records[i].target.len +
			(records[i].type == DNS_TLSA ? records[i].tlsa.data.len : 0);
	return size;
}

/* The same bytes at *names, which moves on; or at the copy made just before, if that is the same name. */
static struct slice name_copy(char **names, struct slice name, struct slice before)
{
	struct slice copy = {*names, name.len};

	if (name.len == 0)
		return SLICE_NONE;
	if (slice_is(name, before))
		return before;
	memcpy(*names, name.ptr, name.len);
	*names += name.len;
	return copy;
}

struct answer *answer_make(const struct answer *head, const struct record *records, unsigned nrecords)
{
	CHECK(nrecords <= ANSWER_RECORDS_MAX);
	size_t size = sizeof(struct answer) + nrecords * sizeof(*records) + names_size(records, nrecords);
	struct answer *answer = malloc(size);
	struct slice owner = SLICE_NONE;

	CHECK(answer != NULL);
	*answer = *head;
	answer->refs = 1;
	answer->size = size;
	answer->nrecords = nrecords;
	char *names = (char *)&answer->records[nrecords];

	for (unsigned i = 0; i < nrecords; i++) {
		answer->records[i] = records[i];
		owner = name_copy(&names, records[i].owner, owner);
		answer->records[i].owner = owner;
		answer->records[i].target = name_copy(&names, records[i].target, SLICE_NONE);
		if (records[i].type == DNS_TLSA)
			answer->records[i].tlsa.data = name_copy(&names, records[i].tlsa.data, SLICE_NONE);
	}
	return answer;
}

struct answer *answer_keep(struct answer *answer)
{
	CHECK(answer->refs > 0);
	answer->refs++;
	return answer;
}

void answer_free(struct answer *answer)
{
	if (!answer)
		return;
	CHECK(answer->refs > 0);
	if (--answer->refs == 0)
		free(answer);
}

struct name_chain name_chain_start(struct slice name)
{
	return (struct name_chain){.name = name};
}

static const struct record *answer_find(const struct answer *answer, uint16_t type, struct slice owner)
{
	for (unsigned i = 0; i < answer->nrecords; i++)
		if (answer->records[i].type == type && slice_is(answer->records[i].owner, owner))
			return &answer->records[i];
	return NULL;
}

/* False: it has been there, or has gone far enough. */
static bool chain_move(struct name_chain *chain, struct slice target)
{
	uint64_t hash = slice_hash(target);

	if (chain->ncnames == CNAMES_MAX || slice_is(chain->name, target))
		return false;
	for (unsigned i = 0; i < chain->ncnames; i++)
		if (chain->seen[i] == hash)
			return false;
	chain->seen[chain->ncnames++] = slice_hash(chain->name);
	chain->name = target;
	return true;
}

enum followed answer_follow(const struct answer *answer, struct name_chain *chain)
{
	const struct record *cname;
	bool moved = false;

	if (answer->state == ANSWER_FAILED)
		return FOLLOWED_FAILED;
	while ((cname = answer_find(answer, DNS_CNAME, chain->name))) {
		if (!chain_move(chain, cname->target))
			return FOLLOWED_LOOP;
		moved = true;
	}
	if (answer->state == ANSWER_NO_NAME)
		return FOLLOWED_NO_NAME;
	if (answer_find(answer, (uint16_t)answer->type, chain->name))
		return FOLLOWED_FOUND;
	return moved && !answer->has_soa ? FOLLOWED_ELSEWHERE : FOLLOWED_EMPTY;
}

const char *dns_type_name(enum dns_type type)
{
	switch (type) {
#define X(name, number, text) \
	case name: return text;
		DNS_TYPES(X)
#undef X
	}
	return "?";
}

const char *answer_state_name(enum answer_state state)
{
	static const char *const names[] = {
#define X(name, text) text,
		ANSWER_STATES(X)
#undef X
	};

	CHECK(state < sizeof(names) / sizeof(names[0]));
	return names[state];
}

const char *rcode_name(uint8_t rcode)
{
	static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"};

	if (rcode == 16)
		return "BADVERS";
	return rcode < sizeof(names) / sizeof(names[0]) ? names[rcode] : "an unknown code";
}
