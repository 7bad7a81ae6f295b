/* An inquiry: the records of one type at one name, wherever its CNAMEs lead, for what is not the way of mail: the texts
 * under which domains publish their policies, the address of a host that is no MX.
 *
 *     ask->inquiry.answered = on_text;
 *     inquiry_begin(&ask->inquiry, dns, SLICE("_mta-sts.a.example"), INQUIRY_TEXT);
 *     static void on_text(struct inquiry *inquiry)
 *     {
 *             n = inquiry_texts(inquiry, texts, 8);
 *             inquiry_end(inquiry);
 *     }
 *
 * answered is called once, from ring_turn, or from inside inquiry_begin when the answer is known already; at the latest
 * twelve seconds later for each CNAME. */
#pragma once

#include "dns/dns.h"

enum inquiry_kind { INQUIRY_TEXT, INQUIRY_IPV4, INQUIRY_IPV6 };

struct inquiry {
	void (*answered)(struct inquiry *inquiry); /* set before inquiry_begin */
	/* Its own. */
	enum inquiry_kind kind;
	struct inquiry_way *way; /* owned; NULL: not begun, or over */
};

/* The name in lower case; it is copied. */
void inquiry_begin(struct inquiry *inquiry, struct dns *dns, struct slice name, enum inquiry_kind kind);
/* Gives the answer back, or takes the question back. May be called more than once. */
void inquiry_end(struct inquiry *inquiry);
/* The texts that were found, each of its strings joined: borrowed until inquiry_end. How many, at most max. */
unsigned inquiry_texts(const struct inquiry *inquiry, struct slice *texts, unsigned max);
/* The addresses that were found, with this port. How many, at most max. */
unsigned inquiry_addresses(const struct inquiry *inquiry, struct address *addresses, unsigned max, uint16_t port);
