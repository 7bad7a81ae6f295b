/* The resolver: puts questions to recursive name servers, until one answers.
 *
 *     query->answered = on_answer;
 *     if (!(answer = resolver_known(resolver, SLICE("a.example"), DNS_MX)))     borrowed, from the cache
 *             resolver_ask(resolver, query, SLICE("a.example"), DNS_MX);
 *     static void on_answer(struct query *query, struct answer *answer) { ... }  borrowed; answer_keep to keep it
 *
 * The same question is in flight once, however many ask it. Each try goes to the next server, with growing patience:
 * 1, 2, 4 and 4 seconds. A server that complains (SERVFAIL, REFUSED, ...) is not tried again for this question. An
 * answer always comes: at worst, after twelve seconds, one of state ANSWER_FAILED whose failure says what happened.
 * questions_max are in flight, the others wait in the order they came.
 *
 * answered is called from ring_turn, never from inside resolver_ask; it may ask and unask. */
#pragma once

#include "dns/answer.h"
#include "dns/dns.h"

struct resolver;

/* Embedded in who asks. */
struct query {
	void (*answered)(struct query *query, struct answer *answer);
	struct list link; /* the resolver's */
};

struct resolver *resolver_open(struct ring *ring, const struct dns_setup *setup);
/* Queries are never answered then. Sockets in flight come home in the next turns of the ring, and the rest of the
 * memory goes with the last of them. */
void resolver_free(struct resolver *resolver);
/* From now on nothing is put to a server, and what is in flight is let go: queries wait and are never answered. To be
 * called again after each turn of the ring, until it says true: no socket is left. */
bool resolver_leave(struct resolver *resolver);
/* What is known now, or NULL. Borrowed until the next call. */
struct answer *resolver_known(struct resolver *resolver, struct slice name, enum dns_type type);
/* The name must be valid (packet_name_is_valid) and in lower case. */
void resolver_ask(struct resolver *resolver, struct query *query, struct slice name, enum dns_type type);
void resolver_unask(struct resolver *resolver, struct query *query);
/* Its part of the counts: coalesced, sent, resent, over_tcp, bad_answers. */
struct dns_counts *resolver_counts(struct resolver *resolver);
