/* An inquiry: the records of one type at one name, wherever its CNAMEs lead, for what is not the way of mail: the texts
 * under which domains publish their policies, the address of a host that is no MX.
 *
 *     ask->inquiry.answered = on_text;
 *     inquiry_begin(&ask->inquiry, dns, SLICE("_mta-sts.a.example"), DNS_TXT);
 *     static void on_text(struct inquiry *inquiry)
 *     {
 *             if (inquiry->followed == FOLLOWED_FOUND) n = inquiry_texts(inquiry, texts, 8);
 *             inquiry_end(inquiry);
 *     }
 *
 * answered is called once, from ring_turn, or from inside inquiry_begin when the answer is known already; at the latest
 * twelve seconds later for each CNAME. */
#pragma once

#include "dns/dns.h"
#include "dns/resolver.h"

struct inquiry {
	void (*answered)(struct inquiry *inquiry); /* set before inquiry_begin */
	/* For answered: */
	enum followed followed;
	struct answer *answer; /* counted; NULL: the name is none that could be asked for */
	/* Its own. */
	struct query query;
	struct resolver *resolver; /* parent's; NULL: not begun, or over */
	enum dns_type type;
	struct name_chain chain;
	char room[DNS_NAME_MAX];
};

/* The name in lower case; it is copied. */
void inquiry_begin(struct inquiry *inquiry, struct dns *dns, struct slice name, enum dns_type type);
/* Gives the answer back, or takes the question back. May be called more than once. */
void inquiry_end(struct inquiry *inquiry);
/* The texts that were found, each of its strings joined: borrowed from the answer. How many, at most max. */
unsigned inquiry_texts(const struct inquiry *inquiry, struct slice *texts, unsigned max);
/* The addresses that were found, with this port. How many, at most max. */
unsigned inquiry_addresses(const struct inquiry *inquiry, struct address *addresses, unsigned max, uint16_t port);
