/* The search for a host's TLSA records (RFC 7672 2.2.2, 2.2.3): which questions, in which order, and what their answers
 * come to. Pure: whoever asks has the resolver.
 *
 *     tlsa_begin(&search, host, owner, secure, &arena);
 *     while (tlsa_next(&search, port, &name, &type)) {
 *             ... ask for it, following CNAMEs, but not those of a question for a CNAME
 *             tlsa_hear(&search, followed, secure, answer);
 *     }
 *     ... search.found
 *
 * The base domain is where the addresses are, if every CNAME on the way there is signed, and failing that the host's
 * own name. A look-up that fails makes the host SECURITY_LOST, whatever else was found: who can suppress an answer must
 * not be able to suppress protection. */
#pragma once

#include "base/arena.h"
#include "dns/answer.h"
#include "dns/dns.h"

struct tlsa_search {
	struct slice bases[2]; /* to be tried, in this order; borrowed */
	unsigned nbases, ntried;
	bool asks_alias; /* first of all: is the host's own CNAME signed? */
	bool over;
	struct arena *arena; /* borrowed: holds the records, and the names of questions */
	struct host_security found;
	const char *why; /* SECURITY_LOST: static, or of the last answer */
};

/* host: by its own name. owner: where its addresses are; the same name if no CNAME led there. secure: they are, and so
 * was each step to them. */
void tlsa_begin(struct tlsa_search *search, struct slice host, struct slice owner, bool secure, struct arena *arena);
/* The next question, its name in the arena; false: it is over. A name too long to be asked for does not exist. */
bool tlsa_next(struct tlsa_search *search, uint16_t port, struct slice *name, enum dns_type *type);
/* Its answer, NULL where there could be none. secure: each step to it was. */
void tlsa_hear(struct tlsa_search *search, enum followed followed, bool secure, const struct answer *answer);
